from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from cloud_etl.storage.memory_databases import kept_open, memory_database

SETTINGS = {"threads": 1, "memory_limit": "64MB"}


def _used_before(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a user before has left its mark."""
    found = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE NOT temporary").fetchall() != [(0,)]
    connection.execute("CREATE TABLE IF NOT EXISTS mark (a INTEGER)")
    return found


def test_a_database_is_used_again_inside_and_closed_at_the_end(tmp_path: Path) -> None:
    with kept_open(tmp_path):
        with memory_database(SETTINGS) as first:
            assert not _used_before(first)
        with memory_database(SETTINGS) as second, memory_database(SETTINGS) as third:
            assert _used_before(second)
            assert not _used_before(third)
        with memory_database({**SETTINGS, "threads": 2}) as other:
            assert not _used_before(other)
    with kept_open(tmp_path), memory_database(SETTINGS) as later:
        assert not _used_before(later)


def test_nothing_is_kept_outside() -> None:
    for _ in range(2):
        with memory_database(SETTINGS) as connection:
            assert not _used_before(connection)
            assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_the_next_user_does_not_meet_what_is_temporary(tmp_path: Path) -> None:
    with kept_open(tmp_path):
        for _ in range(2):
            with memory_database(SETTINGS) as connection:
                connection.execute("CREATE TEMP TABLE sources AS SELECT 1 AS a")


def test_what_an_error_left_is_not_used_again(tmp_path: Path) -> None:
    with kept_open(tmp_path):
        with pytest.raises(duckdb.Error), memory_database(SETTINGS) as broken:
            assert not _used_before(broken)
            broken.execute("SELECT nothing")
        with memory_database(SETTINGS) as connection:
            assert not _used_before(connection)


def test_each_spills_into_a_folder_of_its_own(tmp_path: Path) -> None:
    def folder(connection: duckdb.DuckDBPyConnection) -> str:
        return str(connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])

    spilling = (memory_database(SETTINGS, spill=tmp_path / name) for name in "ab")
    with kept_open(tmp_path), next(spilling) as one, next(spilling) as two:
        assert folder(one) != folder(two)
        assert Path(folder(one)).parent == Path(folder(two)).parent == tmp_path


def test_users_of_one_name_share_it_and_the_last_one_takes_out_what_is_in_it(tmp_path: Path) -> None:
    emptied = []

    def drop(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("DROP TABLE t")
        emptied.append(1)

    with kept_open(tmp_path):
        with memory_database(SETTINGS, name="x", emptied=drop) as one:
            one.execute("CREATE TABLE t AS SELECT 1 AS a")
            with memory_database(SETTINGS, name="x", emptied=drop) as two:
                assert two.execute("SELECT a FROM t").fetchall() == [(1,)]
            assert emptied == []
        assert emptied == [1]
