"""The transformer as a whole: staged files in, every row accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.errors import ConfigError, SourceError


def test_a_staged_file_that_is_missing_or_empty_stops_the_run(lab):
    batch = lab.batch("SELECT 1 AS a")
    batch.staged[0].write_bytes(b"")
    with pytest.raises(SourceError, match="is missing or empty"):
        lab.run(batch)
    batch.staged[0].unlink()
    with pytest.raises(SourceError, match="is missing or empty"):
        lab.run(batch)


def test_staged_files_without_a_column_of_the_contract_stop_the_run(lab):
    batch = lab.batch("SELECT 1 AS amount")
    schema = Schema((*batch.schema.columns, Column("amuont", ColumnType("integer"))))
    with pytest.raises(ConfigError, match="no column 'amuont'; did you mean 'amount'"):
        lab.run(replace(batch, schema=schema))


def test_a_batch_without_staged_rows_gives_an_empty_frame_of_the_contract(lab):
    schema = Schema((Column("a", ColumnType("decimal", 5, 2)), Column("t", ColumnType("timestamp"))))
    batch = replace(lab.batch("SELECT 1 AS a"), staged=(), schema=schema)
    out = lab.write(batch, {"deduplicate": {"keys": ["a"]}}, {"date_parts": {"of": "t", "parts": ["date"]}})
    assert out.written.rows == 0
    assert out.transformed.frame.columns == ("a", "t", "t_date")


def test_paths_with_strange_characters_are_read(lab, tmp_path):
    folder = tmp_path / "a b%20[x]{y}*?ü"
    folder.mkdir()
    own = type(lab)(lab.session, folder)
    plain = lab.batch("SELECT 1 AS a UNION ALL SELECT 1")
    moved = plain.staged[0].rename(folder / "f [1].parquet")
    out = own.write(replace(plain, staged=(moved,)), {"deduplicate": {"keys": ["a"]}}, {"sql": "select * from input"})
    assert out.written.output == 1


def test_files_of_several_types_of_one_column_are_refused_or_read_alike(lab):
    one, two = lab.batch("SELECT 1 AS a"), lab.batch("SELECT 2 AS a")
    out = lab.write(replace(one, staged=(*one.staged, *two.staged)))
    assert out.rows("a") == [(1,), (2,)]


STEPS = st.lists(
    st.sampled_from(
        [
            {"deduplicate": {"keys": ["k"], "order_by": "v desc"}},
            {"deduplicate": {"keys": ["k", "v"]}},
            {"drop_nulls": ["v"]},
            {"fill_nulls": {"v": 0}},
            {"derive": {"v": "v + 1"}},
            {"derive": {"k": "coalesce(k, 'none')"}},
            {"cast": {"s": "integer"}},
            {"filter": {"positive": "v > 0"}},
            {"filter": {"short": "length(k) < 2"}},
            {"sql": "select * from input where v is null or v <> 2"},
            {"sql": "select k, v, s from input union all select k, v, s from input"},
            {
                "join": {
                    "to": "names",
                    "on": "k",
                    "how": "inner",
                    "on_fan_out": "allow",
                    "columns": ["k"],
                    "prefix": "x_",
                }
            },
        ]
    ),
    max_size=4,
)
ROWS = st.lists(st.tuples(st.sampled_from("abz"), st.integers(-1, 2), st.sampled_from("1x")), min_size=1, max_size=12)


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, steps=STEPS)
def test_every_row_is_accounted_for_whatever_the_steps(lab, rows, steps):
    steps = [step for n, step in enumerate(steps) if "join" not in step or step not in steps[:n]]
    steps = [step for n, step in enumerate(steps) if "cast" not in step or step not in steps[:n]]
    literals = [f"({repr(k) if k != 'z' else 'NULL'}, {v if v >= 0 else 'NULL'}, {s!r})" for k, v, s in rows]
    sql = lab.values("k, v, s", "('a'::VARCHAR, 1::INTEGER, '1'::VARCHAR)", *literals)
    with TemporaryDirectory(dir=lab.folder) as folder:
        own = type(lab)(lab.session, Path(folder))
        own.reference("names", own.values("k", "('a')", "('a')", "('b')"))
        out = own.write(sql, *steps)
        assert out.accounted == len(rows) + 1
        assert sum(file.rows for file in out.written.files) == out.written.rows
        for written in (*out.transformed.earlier, out.written):
            # No line is in two fates of one write before a step that may copy rows.
            assert written.output + sum(step.rows for step in written.steps) == written.rows
