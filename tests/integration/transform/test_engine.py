"""Both engines: they start, stop, and their settings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines import sail as sail_engine
from cloud_etl.engines.failures import engine_errors
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.errors import EngineError, StepFailedError, UsageError


def test_an_engine_starts_and_stops_several_times_in_one_process(tmp_path):
    for _ in range(2):
        with SparkManager(EngineSpec(memory="512MB"), 1, tmp_path) as manager:
            assert manager.session is manager.session
            assert manager.session.range(3).count() == 3
    manager.stop()
    assert manager.session.range(2).count() == 2
    manager.stop()


def test_the_session_is_in_utc_and_strict(session):
    assert session.conf.get("spark.sql.session.timeZone") == "UTC"
    assert session.conf.get("spark.sql.ansi.enabled") == "true"


def test_a_stopped_engine_leaves_pyspark_to_its_caller_as_it_was(tmp_path, monkeypatch):
    name = "SPARK_CONNECT_MODE_ENABLED"
    for before in (None, "1"):
        monkeypatch.setenv(name, before) if before else monkeypatch.delenv(name, raising=False)
        with SparkManager(EngineSpec(memory="512MB"), 1, tmp_path) as manager:
            assert manager.session.range(2).select(F.col("id")).count() == 2
            assert os.environ[name] == "1"
        assert os.environ.get(name) == before


def test_an_event_log_that_cannot_be_made_is_told_by_its_setting(tmp_path):
    (tmp_path / "file").write_text("")
    code = f"""
from pathlib import Path
from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager
spec = EngineSpec(name="spark", memory="1GB", event_log={str(tmp_path / "file" / "log")!r})
SparkManager(spec, 1, Path({str(tmp_path)!r})).session
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert "EngineError: engine.event_log" in done.stderr
    assert "cannot be made: Not a directory. Nothing was read" in done.stderr


def test_a_session_outlives_a_long_wait(tmp_path, monkeypatch):
    # Sail ends a session that asked nothing for so long; by itself it would after 15 minutes.
    assert sail_engine._MOST_IDLE_SECONDS > 24 * 3600
    monkeypatch.setattr(sail_engine, "_MOST_IDLE_SECONDS", 1)
    with SparkManager(EngineSpec(memory="512MB"), 1, tmp_path) as manager:
        session = manager.session
        time.sleep(4)
        with pytest.raises(Exception, match="is not running"):
            session.range(3).count()


def test_leaving_early_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("SAIL_RUNTIME__MEMORY_POOL__TYPE", raising=False)
    with SparkManager(EngineSpec(), 1, tmp_path):
        pass
    assert "SAIL_RUNTIME__MEMORY_POOL__TYPE" not in os.environ


def test_an_engine_that_is_none_is_refused(tmp_path):
    for name in ("marked_frame", "saill"):
        with pytest.raises(UsageError, match="engine"):
            _ = SparkManager(EngineSpec(name=name), 1, tmp_path).session


def test_the_memory_pool_is_a_limit_and_says_what_to_raise(tmp_path):
    with SparkManager(EngineSpec(memory="512MB"), 1, tmp_path) as manager:
        many = manager.session.range(20_000_000)
        with (
            pytest.raises(EngineError, match=r"adding up needs more .* raise engine\.memory"),
            engine_errors("adding up"),
        ):
            many.join(F.broadcast(many), "id").agg(F.max("id")).collect()


def test_a_dead_engine_is_told_at_once_and_not_after_minutes(tmp_path):
    manager = SparkManager(EngineSpec(memory="512MB"), 1, tmp_path)
    session = manager.session
    manager._engine._server.stop()
    with pytest.raises(EngineError, match="the engine died"), engine_errors("counting"):
        session.range(3).count()
    manager.stop()


def test_nothing_of_the_engine_is_written_to_the_terminal(session, capfd):
    session.range(10).count()
    with pytest.raises(StepFailedError), engine_errors("dividing"):
        session.range(10).select(F.expr("cast(concat('secret', id) as int)")).collect()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def _runs(pid: int) -> bool:
    """Whether a process is at work: an orphan that ended stays a zombie where the first process reaps none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.xdist_group("spark_alone")
def test_the_jvm_of_spark_ends_with_the_engine_and_leaves_nothing_behind(tmp_path):
    """In a process of its own: PySpark knows one JVM per process."""
    code = f"""
import os, signal, sys
from pathlib import Path
from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager
handler, path = signal.getsignal(signal.SIGINT), list(sys.path)
manager = SparkManager(EngineSpec(name="spark", memory="1GB"), 1, Path({str(tmp_path)!r}))
for rows in (3, 2):
    assert manager.session.range(rows).count() == rows
    assert manager.session is manager.session
    jvm = manager._engine._gateway.proc
    manager.stop()
    assert jvm.poll() is not None
manager.stop()
assert (signal.getsignal(signal.SIGINT), sys.path) == (handler, path)
assert not any(Path({str(tmp_path)!r}, "spill").iterdir())
assert manager.session.range(1).count() == 1
print(manager._engine._gateway.proc.pid)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -9, done.stderr
    assert done.stderr == ""
    # A JVM whose Python was killed ends by itself: its standard input is closed.
    deadline = time.monotonic() + 180
    while _runs(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _runs(int(done.stdout))


def test_spark_that_cannot_be_reached_is_told_without_its_token(tmp_path):
    spec = EngineSpec(name="spark", master="sc://127.0.0.1:1/;token=hush")
    with pytest.raises(EngineError, match=r"did not start on sc://127.0.0.1:1/") as raised:
        _ = SparkManager(spec, 1, tmp_path).session
    assert "hush" not in str(raised.value)


def test_a_setting_that_stops_spark_is_told_in_its_words(tmp_path):
    code = f"""
from pathlib import Path
from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager
spec = EngineSpec(name="spark", memory="1GB", config={{"spark.driver.memory": "banana"}})
SparkManager(spec, 1, Path({str(tmp_path)!r})).session
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert "EngineError: the spark engine did not start on local[1]: " in done.stderr
    assert "Invalid maximum heap size: -Xmxbanana" in done.stderr
