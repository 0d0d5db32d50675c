"""Each line of the page on engines is what the engines really do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.errors import PySparkException

PAGE = (Path(__file__).parents[3] / "docs/reference/engines.md").read_text()
LINES = re.findall(r"^\| `(.+?)` \| (\S+) \| (\S+) \| .+ \|$", PAGE[PAGE.index("| expression |") :], re.MULTILINE)


def test_the_page_lists_differences():
    assert len(LINES) == PAGE[PAGE.index("| expression |") :].count("\n|") - 1


@pytest.mark.parametrize(("expression", "on_sail", "on_spark"), LINES)
def test_an_expression_gives_what_the_page_says(session, engine, expression, on_sail, on_spark):
    wanted = {"sail": on_sail, "spark": on_spark}[engine]
    if wanted == "stops":
        with pytest.raises(PySparkException):
            session.sql(f"select {expression}").collect()
        return
    found = session.sql(f"select {expression}").collect()[0][0]
    assert found == (None if wanted == "NULL" else wanted.strip("`"))
