"""The SQL on the page of load modes is that of the snapshots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAPSHOTS = ROOT / "tests/unit/load/redshift/snapshots"
BLOCKS = dict(
    re.findall(
        r"^<!-- (\S+) -->\n```sql\n(.*?)\n```",
        (ROOT / "docs/reference/load-modes.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
MODES = ("append.sql", "replace.sql", "upsert.sql", "scd2.sql", "upsert-doubled.sql")
DDL = ("create.sql", "evolve.sql")


def test_every_mode_is_shown() -> None:
    assert sorted(BLOCKS) == sorted((*MODES, *DDL))


@pytest.mark.parametrize("name", MODES)
def test_what_a_mode_sends_is_shown_from_the_staging_table_to_the_commit(name: str) -> None:
    text = (SNAPSHOTS / name).read_text()
    assert BLOCKS[name] == text[text.index("CREATE TEMP TABLE") : text.index("COMMIT;") + len("COMMIT;")]


@pytest.mark.parametrize("name", DDL)
def test_ddl_is_shown(name: str) -> None:
    lines = (SNAPSHOTS / name).read_text().splitlines()
    assert BLOCKS[name].splitlines() == [
        line for line in lines if re.match(r"ALTER|CREATE (SCHEMA|TABLE)|COMMENT", line)
    ]
