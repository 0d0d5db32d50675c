import pytest
from pydantic import ValidationError

from cloud_etl.domain.submit_spec import WORKER_SIZES, EmrServerlessSpec, ExecutorSpec, SubmitSpec, WorkerSpec

PLACE = {"application_id": "00fabc", "execution_role_arn": "arn:aws:iam::123456789012:role/etl"}


@pytest.mark.parametrize("cores", WORKER_SIZES)
def test_sizes_that_the_service_offers_are_taken(cores):
    least, most, step = WORKER_SIZES[cores]
    assert WorkerSpec(cores=cores, memory_gb=least).memory_gb == least
    assert ExecutorSpec(cores=cores, memory_gb=most - (most - least) % step).most == 10


@pytest.mark.parametrize(("cores", "memory_gb"), [(1, 9), (2, 3), (4, 31), (8, 18), (16, 36)])
def test_sizes_that_the_service_does_not_offer_are_refused_with_those_it_does(cores, memory_gb):
    with pytest.raises(ValidationError, match=rf"a worker of {cores} cores has \d+ to \d+ GB in steps of"):
        WorkerSpec(cores=cores, memory_gb=memory_gb)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sql.shuffle.partitions", "begin with spark"),
        ("spark.archives", "is set by submit"),
        ("spark.executor.memory", "is set by submit"),
        ("spark.executorEnv.PYTHONPATH", "is set by submit"),
        ("spark.emr-serverless.driverEnv.PYSPARK_PYTHON", "is set by submit"),
    ],
)
def test_settings_that_submit_makes_itself_are_refused(name, message):
    with pytest.raises(ValidationError, match=message):
        EmrServerlessSpec(**PLACE, spark_config={name: "1"})


@pytest.mark.parametrize("value", ["", "  ", "a\nb"])
def test_values_that_a_settings_file_cannot_hold_are_refused(value):
    with pytest.raises(ValidationError, match="empty or has a line end"):
        SubmitSpec(variables={"NAME": value})
    with pytest.raises(ValidationError, match="empty or has a line end"):
        EmrServerlessSpec(**PLACE, spark_config={"spark.x": value})


@pytest.mark.parametrize("glob", ["/etc/*", "../other/*", "a/../../b"])
def test_globs_that_leave_the_project_are_refused(glob):
    with pytest.raises(ValidationError, match="leaves the project"):
        SubmitSpec(include=(glob,))


def test_names_are_checked():
    with pytest.raises(ValidationError, match="no name of an environment variable"):
        SubmitSpec(variables={"A-B": "x"})
    with pytest.raises(ValidationError, match="tag 'cost,centre'"):
        EmrServerlessSpec(**PLACE, tags={"cost,centre": "1"})
