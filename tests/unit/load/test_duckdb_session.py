from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_etl.domain.schema import Schema
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.domain.warehouse import DuckDbSpec, WarehouseSpec
from cloud_etl.errors import ConfigError, RunInterruptedError, TargetError, TemporaryError, exit_code_of
from cloud_etl.load.duckdb import Loader, catalog
from cloud_etl.load.duckdb.session import Database, connected, translated


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "w.duckdb", "256MB", 1)


def loader(database, **options):
    return Loader(
        WarehouseSpec(duckdb=DuckDbSpec(path=database.path.name, wait_seconds=1)), database.path.parent, **options
    )


def test_a_file_held_by_another_process_is_a_passing_fault(database):
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(database.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TemporaryError, match=r"(?s)held by another process.*Close the program"):
            loader(database).__enter__()
        process.stdin.close()
    with loader(database) as opened:
        assert opened.loaded_files("p") == frozenset()


def test_a_file_open_in_this_process_is_said_so(database):
    import duckdb

    with duckdb.connect(str(database.path)), pytest.raises(TargetError, match="already open in this process"):
        loader(database).__enter__()


def test_a_file_that_is_no_database_is_refused_and_left_alone(database):
    database.path.write_text("important notes " * 1000)
    with pytest.raises(TargetError, match=r"cannot be opened.*not a valid DuckDB"):
        loader(database).__enter__()
    assert database.path.read_text().startswith("important notes")


def test_a_loader_that_only_looks_makes_no_file_and_loads_nothing(database):
    with loader(database, read_only=True) as looking:
        assert looking.ddl(LoadSpec(table="a.b"), Schema(())) == ()
        assert looking.schema_of("a.b") is None
    assert not database.path.exists()


def test_the_folder_of_the_file_is_made(tmp_path):
    with connected(Database(tmp_path / "a" / "b" / "w.duckdb", "256MB", 1)) as session:
        assert session.number("SELECT 1") == 1


def test_a_file_held_for_a_while_is_waited_for_and_said_so(database, caplog):
    holder = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(1)"
    command = [sys.executable, "-c", holder, str(database.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with connected(replace(database, wait_seconds=30)) as session:
            assert session.number("SELECT 1") == 1
    assert "which another process holds, since" in caplog.text


@pytest.mark.parametrize("schema", ["birds", "BIRDS", "cloud_etl", "main"])
@pytest.mark.parametrize(
    "name", ["birds.duckdb", "main.duckdb", "temp.db", "cloud_etl.duckdb", "a.b c's.duckdb", "#%26&"]
)
def test_a_schema_may_be_named_as_the_file(tmp_path, name, schema):
    with connected(Database(tmp_path / name, "256MB", 1)) as session, session.transaction():
        session.change(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        session.change(f'CREATE TABLE "{schema}"."x" AS SELECT 1 AS k')
        session.change(f'CREATE TEMP VIEW v AS SELECT k FROM "{schema}"."x"')
    with connected(Database(tmp_path / name, "256MB", 1), read_only=True) as session:
        assert session.number(f'SELECT k FROM "{schema}"."x"') == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_path_with_a_question_mark_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(ConfigError, match=r"holds a `\?` in its path"):
        loader(Database(tmp_path / "why?" / "w.duckdb", "256MB", 1))


REFUSED = {
    errno.ENOSPC: "The disk is full",
    errno.EFBIG: "ulimit -f",
    errno.EROFS: "read-only",
    errno.EACCES: "the right to read and write",
    errno.EMFILE: "ulimit -n",
}


@pytest.mark.parametrize("kind", ["IOException", "TransactionException", "FatalException"])
@pytest.mark.parametrize("number", REFUSED)
def test_what_the_system_refuses_is_said_so_whatever_duckdb_calls_it(kind, number):
    import duckdb

    said = f'TransactionContext Error: Failed to commit: Could not write file "w.wal": {os.strerror(number)}'
    with pytest.raises(TargetError, match=f"{REFUSED[number]}") as caught, translated("loading t"):
        raise getattr(duckdb, kind)(said)
    assert exit_code_of(caught.value) == 4


def test_a_file_that_may_not_grow_is_an_error_with_words(database):
    script = (
        "import resource, sys; from pathlib import Path; from cloud_etl.load.duckdb.session import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000000, 2000000))\n"
        "with connected(Database(Path(sys.argv[1]), '256MB', 1)) as s, translated('loading t'), s.transaction():\n"
        "    s.change('CREATE TABLE t AS SELECT random() AS r FROM range(3000000)')\n"
    )
    command = [sys.executable, "-c", script, str(database.path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "TargetError: loading t stopped" in ended.stderr
    assert "ulimit -f" in ended.stderr
    with connected(database) as session:
        assert session.number("SELECT count(*) FROM duckdb_tables()") == 0


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("INSERT INTO t VALUES (771177), (771177)", "a constraint of the table refused a row"),
        ("INSERT INTO t VALUES (NULL)", r"column t\.k is NOT NULL and a row has no value"),
        ("INSERT INTO t VALUES ('row771177')", "a value does not fit the type"),
        ("INSERT INTO t SELECT 771177000000000", "a value does not fit the type"),
    ],
)
def test_messages_about_values_do_not_show_them(database, sql, message):
    with connected(database) as session:
        session.change("CREATE TABLE t (k INTEGER PRIMARY KEY)")
        with pytest.raises(TargetError, match=message) as caught, translated("loading t"), session.transaction():
            session.change(sql)
        assert session.number("SELECT count(*) FROM t") == 0
    assert "771177" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_too_little_memory_says_which_setting_to_raise(database):
    small = Database(database.path, "10MB", 1)
    sql = "SELECT count(DISTINCT r) FROM (SELECT list(range) AS r FROM range(3000000) GROUP BY range % 2)"
    with pytest.raises(TargetError, match=r"Raise warehouse\.duckdb\.memory"), connected(small) as session:
        session.rows("SET temp_directory = ''")
        with translated("loading t"):
            session.rows(sql)


def test_a_transaction_that_meets_another_is_a_passing_fault(database):
    with connected(database) as session, connected(database) as other:
        session.change("CREATE TABLE t AS SELECT 1 AS k")
        meets = pytest.raises(TemporaryError, match="met another transaction")
        with meets, translated("loading t"), session.transaction():
            session.change("UPDATE t SET k = 2")
            other.change("UPDATE t SET k = 3")
        assert other.number("SELECT k FROM t") == 1


def test_a_signal_inside_a_statement_rolls_back_and_is_an_interruption(database):
    def stop(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with connected(database) as session:
            session.change("CREATE TABLE t (k BIGINT)")
            ends = pytest.raises(RunInterruptedError, match="nothing was loaded")
            with ends, translated("loading t"), session.transaction():
                session.change("INSERT INTO t VALUES (1)")
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                session.change("INSERT INTO t SELECT range FROM range(3000000000) WHERE hash(range) = 0")
            assert session.number("SELECT count(*) FROM t") == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "look",
    [
        lambda opened: opened.loaded_files("p"),
        lambda opened: opened.loaded_by("run"),
        lambda opened: opened.schema_of("a.b"),
        lambda opened: opened.ddl(LoadSpec(table="a.b"), Schema(())),
        lambda opened: opened.export("a.b", Path()),
    ],
)
def test_a_look_that_a_signal_stops_is_an_interrupted_run(database, monkeypatch, look):
    import duckdb

    with duckdb.connect(str(database.path)):
        pass

    def stopped(*_: object) -> None:
        raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")

    monkeypatch.setattr(catalog, "describe", stopped)
    with pytest.raises(RunInterruptedError, match="looking into the warehouse was interrupted"):
        look(loader(database))
