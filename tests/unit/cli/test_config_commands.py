import json

import pytest
import typer
from typer.testing import CliRunner

from cloud_etl.cli import config_commands
from cloud_etl.cli.app import _complain
from cloud_etl.errors import ConfigError, Problem, TargetError

PROJECT = """\
project: shop
environments:
  local:
    store: "s3://key:pa/@?ss@bucket"
    s3: {secret_access_key: "%s", region: "${env:REGION}"}
    warehouse: {duckdb: {path: ./shop.duckdb}}
"""
PIPELINE = """\
pipeline: sales
source: {path: raw, format: csv}
schema: {id: {type: string}}
outputs:
  - name: sales_fact
    load: {table: shop.sales_fact}
"""


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run one of the commands in a small project; gives its exit code and stdout."""
    monkeypatch.chdir(tmp_path)
    for name in ("CLOUD_ETL_ENV", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cloud-etl.yaml").write_text(PROJECT % "${secret:shop/key}")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "sales.yaml").write_text(PIPELINE)

    def invoke(command, *arguments):
        app = typer.Typer()
        app.command()(command)
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        return result.exit_code, result.stdout

    return invoke


def test_validate_says_what_was_checked(invoke):
    assert invoke(config_commands.validate) == (0, "shop: 1 pipeline and 1 environment are valid\n")


def test_validate_tells_every_finding_as_json(invoke, tmp_path):
    (tmp_path / "pipelines" / "sales.yaml").write_text(PIPELINE.replace("sales_fact}", "sales_fact, keys: [idd]}"))
    code, out = invoke(config_commands.validate, "--output", "json")
    message = "outputs[0].load.keys: there is no column 'idd' here; did you mean 'id'?"
    assert (code, json.loads(out)) == (
        2, {"valid": False, "problems": [{"file": "pipelines/sales.yaml", "line": 6, "message": message}]},
    )  # fmt: skip


def test_validate_raises_the_findings_for_the_command_line_to_show(invoke, tmp_path):
    (tmp_path / "pipelines" / "sales.yaml").write_text("pipeline: sales")
    with pytest.raises(ConfigError, match="key 'source' is missing"):
        invoke(config_commands.validate)


def test_show_gives_yaml_with_the_origin_of_each_value(invoke, monkeypatch):
    monkeypatch.setenv("CLOUD_ETL__ENVIRONMENTS__LOCAL__KEEP_REPORTS", "7")
    code, out = invoke(config_commands.show, "--origin")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert ["keep_reports:", "7", "#", "CLOUD_ETL__ENVIRONMENTS__LOCAL__KEEP_REPORTS"] in lines
    assert ["name:", "sail", "#", "default"] in lines
    assert ["region:", "${env:REGION}", "#", "cloud-etl.yaml:5"] in lines
    assert ["sales:", "pipelines/sales.yaml", "#", "pipelines/sales.yaml:1"] in lines


def test_show_can_be_read_again_as_yaml(invoke):
    from cloud_etl.config.yaml_positions import parse_yaml

    _, text = invoke(config_commands.show)
    _, out = invoke(config_commands.show, "--output", "json")
    assert parse_yaml(text, "shown").data == json.loads(out)
    assert json.loads(out)["engine"]["memory"] == "auto"


@pytest.mark.parametrize("arguments", [(), ("--origin",), ("--output", "json"), ("--output", "json", "--origin")])
def test_show_masks_secrets_and_shows_references_unresolved(invoke, tmp_path, arguments):
    assert "${secret:shop/key}" in invoke(config_commands.show, *arguments)[1]
    (tmp_path / "cloud-etl.yaml").write_text(PROJECT % "hunter2")
    out = invoke(config_commands.show, *arguments)[1]
    assert "hunter2" not in out
    assert "@?ss" not in out
    assert "s3://**********@bucket" in out


def test_schema_prints_or_writes(invoke, tmp_path):
    printed = invoke(config_commands.schema, "project")[1]
    assert json.loads(printed)["title"] == "project"
    assert json.loads(invoke(config_commands.schema)[1])["title"] == "pipeline"
    invoke(config_commands.schema, "--write")
    assert (tmp_path / "project.schema.json").read_text() == printed
    assert (tmp_path / "pipeline.schema.json").exists()


def test_schema_writes_only_the_one_that_is_named(invoke, tmp_path):
    invoke(config_commands.schema, "pipeline", "--write")
    assert not (tmp_path / "project.schema.json").exists()


def test_a_schema_that_cannot_be_written_is_told_without_a_traceback(invoke, tmp_path):
    (tmp_path / "pipeline.schema.json").mkdir()
    with pytest.raises(TargetError, match=r"pipeline\.schema\.json cannot be written: Is a directory"):
        invoke(config_commands.schema, "pipeline", "--write")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("s3.secret_access_key: this key is not known", "s3.secret_access_key: this key is not known"),
        ("s3.session_token: wants text, not a list", "s3.session_token: wants text, not a list"),
        ("log.folder: password=hunter2 is off", "log.folder: password=*** is off"),
        ("the password: hunter2 is off", "the password: *** is off"),
    ],
)
def test_a_finding_masks_secrets_and_not_its_own_words(
    message: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _complain(ConfigError([Problem(message, "cloud-etl.yaml", 3)]))
    assert capsys.readouterr().err.endswith(f"cloud-etl.yaml:3: {shown}\n")
