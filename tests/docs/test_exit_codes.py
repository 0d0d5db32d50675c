from __future__ import annotations

import re
from pathlib import Path

from cloud_etl import errors

PAGE = Path(__file__).parents[2] / "docs/reference/exit-codes.md"


def test_every_error_stands_on_the_page_under_its_code() -> None:
    listed = {
        name: int(codes.split(",")[0])
        for codes, names in re.findall(r"^\| ([\d, ]+) \| [^|]+ \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
        for name in names.strip().split(", ")
    }
    classes = {
        name: error.exit_code
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.CloudEtlError | errors.RunInterruptedError)
    }
    assert listed == classes


def test_the_tree_in_the_docstring_names_every_error_with_its_code() -> None:
    shown = {name: int(code) for name, code in re.findall(r"(\w+Error)\s+(\d+)\s", errors.__doc__ or "")}
    classes = {
        name: error.exit_code
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.CloudEtlError | errors.RunInterruptedError)
    }
    assert shown == classes
