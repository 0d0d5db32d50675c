"""The closure of cloud-etl's requirements, read from what is installed where the tests run."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cloud_etl.errors import UsageError
from cloud_etl.submit.packages import LEFT_OUT, environment_pack, required


def test_every_requirement_of_every_package_is_there_but_what_the_cluster_has():
    found = {canonicalize_name(one.metadata["Name"]): one for one in required()}
    for one in found.values():
        for requirement in map(Requirement, one.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in found.keys() | LEFT_OUT
    assert {"cloud-etl", "duckdb", "pyarrow", "botocore", "s3transfer", "pydantic-core"} <= found.keys()
    assert not found.keys() & (LEFT_OUT | {"pytest", "mypy", "moto", "grpcio"})


def test_cloud_etl_is_packed_as_it_runs_here_without_bytecode_and_example_data():
    files = environment_pack().files
    own = {name for name in files if name.startswith("cloud_etl/")}
    assert "cloud_etl/submit/job.py" in own
    assert files["cloud_etl/submit/job.py"].read_text().startswith('"""The run inside a job')
    assert "cloud_etl/cli/scaffold/write.py" in own
    assert not [name for name in own if name.endswith((".pyc", ".csv")) or name.startswith("cloud_etl/cli/scaffold/r")]


def test_metadata_is_packed_and_what_names_this_machine_is_not():
    files = environment_pack().files
    version = distribution("cloud-etl").version
    assert f"cloud_etl-{version}.dist-info/METADATA" in files
    assert not [name for name in files if Path(name).name in ("RECORD", "INSTALLER", "direct_url.json")]
    assert not [name for name in files if name.startswith(("/", "..", "bin/")) or name.endswith(".pth")]


def test_packages_of_user_code_are_added_with_what_they_need():
    names = {canonicalize_name(one.metadata["Name"]) for one in required(["Hypothesis"])}
    assert {"hypothesis", "sortedcontainers"} <= names


def test_a_package_that_is_not_installed_says_who_needs_it():
    with pytest.raises(UsageError, match=r"package no-such is not installed here, and submit\.packages needs it"):
        required(["no_such"])


def test_the_job_and_all_its_backends_import_without_what_is_left_out(tmp_path):
    """Every module but the engines, whose PySpark is the cluster's, imports from the packed files alone."""
    for name, file in environment_pack().files.items():
        link = tmp_path / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    script = (
        "import pkgutil, sys, importlib, cloud_etl\n"
        "for module in pkgutil.walk_packages(cloud_etl.__path__, 'cloud_etl.'):\n"
        "    if not module.name.startswith(('cloud_etl.engines', 'cloud_etl.local_aws')):\n"
        "        importlib.import_module(module.name)\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('pyspark', 'pysail', 'py4j')]\n"
        "print(cloud_etl.__version__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{script}"],
        capture_output=True, text=True, cwd="/", timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == distribution("cloud-etl").version
