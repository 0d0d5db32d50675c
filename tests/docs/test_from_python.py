"""The examples of docs/how-to/from-python.md, run in order on a project made by `cloud-etl init`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloud_etl.cli.scaffold import write_example

PAGE = Path(__file__).parents[2] / "docs/how-to/from-python.md"


def test_the_examples_run_and_only_they_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_example("retail", tmp_path / "my-project")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, block {number + 1}", "exec"), names)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "sales_data loaded" in printed.out
    assert "sales_data extract" in printed.out
