from __future__ import annotations

import filecmp
from pathlib import Path

import pytest

from cloud_etl.cli.scaffold import EMPTY, EXAMPLES, write_example
from cloud_etl.errors import TargetError, UsageError
from cloud_etl.pipeline.project import Project

SCHEMAS = {"project.schema.json", "pipeline.schema.json"}
SOURCES = Path(__file__).parents[2] / "examples"


def test_the_retail_project_comes_with_its_data_byte_for_byte(tmp_path: Path) -> None:
    written = write_example("retail", tmp_path / "new")
    assert "data/raw-data/sales_data/.sales_2026-01-10.csv" in written
    for name in set(written) - SCHEMAS:
        assert filecmp.cmp(SOURCES / "retail" / name, tmp_path / "new" / name, shallow=False)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_project_is_written_without_generators_and_results(tmp_path: Path, name: str) -> None:
    tops = {path.split("/")[0] for path in write_example(name, tmp_path)}
    assert {"cloud-etl.yaml", "pipelines", "README.md", ".gitignore"} <= tops
    assert not tops & {"expected", "expected.py", "make_data.py", "planted", "processed-data", "runs"}


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_example("retail", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_unknown_example_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'retail'"):
        write_example("retial", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_a_target_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="could not be written"):
        write_example("retail", tmp_path / "file" / "new")


@pytest.mark.parametrize("name", [*EXAMPLES, EMPTY])
def test_every_file_of_a_project_names_the_schema_that_editors_check_it_with(tmp_path: Path, name: str) -> None:
    write_example(name, tmp_path)
    for path in (tmp_path / "cloud-etl.yaml", *(tmp_path / "pipelines").iterdir()):
        first = path.read_text().splitlines()[0]
        schema = path.parent / first.removeprefix("# yaml-language-server: $schema=")
        assert schema.resolve().name in SCHEMAS and schema.is_file()


def test_an_empty_project_is_valid_and_takes_its_first_file(tmp_path: Path) -> None:
    write_example(EMPTY, tmp_path)
    (tmp_path / "data/raw-data/my_data/first.csv").write_text("id,name\n1,Ann\n")
    project = Project.examine(tmp_path)
    (report,) = project.run().pipelines
    assert report.outcome == "loaded" and report.ledger is not None and report.ledger.output == 1
