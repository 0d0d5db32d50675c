import pytest

from cloud_etl.errors import ConfigError, UsageError
from cloud_etl.submit import project_pack as module
from cloud_etl.submit.preconditions import for_sending
from cloud_etl.submit.project_pack import project_pack

PYTHON_STEP = 'transform: [{python: "rules.clean:tidy"}]\n'


def packed(loaded):
    return sorted(project_pack(loaded, for_sending(loaded).environment.submit).files)


def test_configuration_and_pipelines_are_taken_and_data_secrets_and_logs_are_not(load):
    others = {"data/raw/sales/a.csv": "x", "data/shop.duckdb": "x", "logs/a.log": "x", ".env": "KEY=1", "notes.md": "x"}
    assert packed(load(files=others)) == ["cloud-etl.yaml", "pipelines/sales.yaml"]


def test_the_modules_of_python_steps_are_taken_with_what_they_import_of_the_project(load, pipeline):
    files = {
        "pipelines/sales.yaml": pipeline + PYTHON_STEP,
        "rules/__init__.py": "",
        "rules/clean.py": "import json\nfrom . import words\nfrom rules.deep.units import KG\nimport shared\n",
        "rules/words.py": "",
        "rules/deep/__init__.py": "",
        "rules/deep/units.py": "def late():\n    from ..late import x\n",
        "rules/late.py": "x = 1\n",
        "rules/unused.py": "",
        "shared.py": "import numpy\n",
        "json.py": "",
    }
    found = packed(load(files=files))
    assert [name for name in found if name.endswith(".py")] == [
        # A module that hides one of Python's own does so here too.
        "json.py", "rules/__init__.py", "rules/clean.py", "rules/deep/__init__.py", "rules/deep/units.py",
        "rules/late.py", "rules/words.py", "shared.py",
    ]  # fmt: skip


def with_include(cloud, *globs):
    return cloud.replace("    submit:\n", f"    submit:\n      include: [{', '.join(globs)}]\n")


def test_included_files_are_taken_but_hidden_ones_and_data_are_not(load, cloud):
    files = {"lookups/a.json": "{}", "lookups/.secret": "x", "data/raw/b.json": "{}", "logs/c.json": "{}"}
    assert packed(load(with_include(cloud, '"**/*.json"', '"lookups/*"'), files=files)) == [
        "cloud-etl.yaml", "lookups/a.json", "pipelines/sales.yaml",
    ]  # fmt: skip


def test_a_link_that_leaves_the_project_is_not_taken(load, cloud, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "key.json"
    outside.write_text("{}")
    (tmp_path / "lookups").mkdir()
    (tmp_path / "lookups/key.json").symlink_to(outside)
    with pytest.raises(UsageError, match=r"submit\.include 'lookups/\*' finds no file"):
        packed(load(with_include(cloud, '"lookups/*"')))


def test_files_too_large_to_be_code_are_refused_with_the_largest(load, cloud, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 2_000)
    with pytest.raises(UsageError, match=r"the largest is lookups/big\.json\. Nothing was sent"):
        packed(load(with_include(cloud, '"lookups/*"'), files={"lookups/big.json": "x" * 3_000}))


def test_a_secret_that_stands_in_the_file_is_refused_with_its_line_and_not_shown(load, cloud):
    keys = "s3: {access_key_id: AKIA, secret_access_key: canary-1234}"
    text = cloud.replace("    store: ./data\n", f"    store: ./data\n    {keys}\n")
    with pytest.raises(ConfigError) as caught:
        packed(load(text))
    assert str(caught.value).startswith(
        "cloud-etl.yaml:6: environments.local.s3.secret_access_key: a secret is written"
    )
    assert "canary" not in str(caught.value)


def test_a_secret_that_is_named_may_be_sent(load, cloud):
    named = '"${secret:shop/s3#key}"'
    text = cloud.replace("    store: ./data\n", f"    store: ./data\n    s3: {{secret_access_key: {named}}}\n")
    assert "cloud-etl.yaml" in packed(load(text))


def test_a_secret_from_a_variable_of_this_machine_is_in_no_file(load):
    environ = {"CLOUD_ETL__ENVIRONMENTS__PROD__S3__SECRET_ACCESS_KEY": "canary"}
    assert "cloud-etl.yaml" in packed(load(environ=environ))


REDSHIFT = """\
    warehouse:
      redshift: {host: h, database: d, auth: {secret: "${secret:dw}"}, tls: {ca_file: certs/own.pem}}
"""


def test_the_certificates_of_the_warehouse_are_taken(load, cloud):
    text = cloud.replace("    warehouse: {duckdb: {path: /mnt/shop.duckdb}}\n", REDSHIFT)
    assert "certs/own.pem" in packed(load(text, files={"certs/own.pem": "x"}))
