import pytest

from cloud_etl.errors import ConfigError, SecretError, UsageError
from cloud_etl.submit.preconditions import check_sendable, for_sending


def findings(loaded):
    with pytest.raises(ConfigError) as caught:
        check_sendable(for_sending(loaded), ["sales"])
    return str(caught.value).splitlines()


def test_an_environment_that_fits_passes(load):
    check_sendable(for_sending(load()), ["sales"])


def test_an_environment_without_submit_says_what_to_do(load, cloud):
    with pytest.raises(UsageError, match=r"environment local has no `submit`.*cloud-etl run"):
        check_sendable(for_sending(load(cloud.replace("default_environment: prod", "default_environment: local"))), [])


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("s3://shop-prod", "./data", "cloud-etl.yaml:8: environments.prod.store: a submitted run needs an s3:// store"),
        ("s3://shop-prod", "s3://shop/a b", "cloud-etl.yaml:8: environments.prod.store: the url has a blank"),
        ("name: spark", "name: sail", "cloud-etl.yaml:10: environments.prod.engine.name: a submitted run"),
        ("/mnt/shop.duckdb", "./shop.duckdb", "cloud-etl.yaml:11: environments.prod.warehouse: ./shop.duckdb would be"),
        ("region: eu", "profile: me, region: eu", "cloud-etl.yaml:9: environments.prod.s3.profile: a job has no AWS"),
    ],
)  # fmt: skip
def test_what_a_job_would_not_find_is_refused_with_its_line(load, cloud, old, new, finding):
    (found,) = findings(load(cloud.replace(old, new)))
    assert found.startswith(finding)


def test_a_source_on_this_machine_is_refused(load, pipeline):
    (found,) = findings(load(files={"pipelines/sales.yaml": pipeline.replace("raw/sales", "file:///raw")}))
    assert found.startswith("pipelines/sales.yaml:2: source.path: a folder of this machine is not there")


def test_an_override_of_this_machine_is_refused_unless_the_job_has_it(load, cloud):
    environ = {"CLOUD_ETL__PIPELINES__SALES__SOURCE__PATTERN": "*.gz"}
    (found,) = findings(load(environ=environ))
    assert found.startswith("CLOUD_ETL__PIPELINES__SALES__SOURCE__PATTERN: it changes the configuration here")
    told = "    submit:\n      variables: {CLOUD_ETL__PIPELINES__SALES__SOURCE__PATTERN: '*.gz'}\n"
    check_sendable(for_sending(load(cloud.replace("    submit:\n", told), environ=environ)), ["sales"])


def test_overrides_that_concern_the_sender_alone_pass(load):
    names = ("SUBMIT__EMR_SERVERLESS__REGION", "LOG__LEVEL", "S3__ACCESS_KEY_ID", "S3__SECRET_ACCESS_KEY")
    environ = {f"CLOUD_ETL__ENVIRONMENTS__PROD__{name}": "info" for name in names}
    check_sendable(for_sending(load(environ=environ)), ["sales"])


def test_a_variable_that_the_job_would_not_have_is_named(load, cloud):
    text = cloud.replace("eu-central-1", '"${env:REGION}"')
    (found,) = findings(load(text, environ={"REGION": "eu-west-1"}))
    assert found.startswith("cloud-etl.yaml:9: environments.prod.s3.region needs the environment variable REGION")
    told = text.replace("    submit:\n", "    submit:\n      variables: {REGION: '${env:REGION}'}\n")
    check_sendable(for_sending(load(told, environ={"REGION": "eu-west-1"})), ["sales"])
    check_sendable(for_sending(load(text.replace("REGION}", "REGION:-eu-west-1}"))), ["sales"])


def test_the_sender_needs_no_secret_of_the_warehouse(load, cloud):
    secret = "warehouse: {redshift: {host: h, database: d, auth: {secret: '${secret:dw}'}}}"
    loaded = load(cloud.replace("warehouse: {duckdb: {path: /mnt/shop.duckdb}}", secret))
    sent = for_sending(loaded)
    assert sent.environment.warehouse == loaded.environment.warehouse
    check_sendable(sent, ["sales"])


def test_a_secret_in_submit_is_refused_since_it_would_be_seen(load, cloud):
    text = cloud.replace("    submit:\n", "    submit:\n      variables: {TOKEN: '${secret:shop/token}'}\n")
    with pytest.raises(SecretError, match="submit names the secret shop/token, and whoever may look at the job run"):
        for_sending(load(text))
