"""The sail engine: starts, stops, and its settings."""

from __future__ import annotations

import os

import pytest
from pyspark.sql import functions as F

from cloud_etl.domain.spec import EngineSpec
from cloud_etl.engines.failures import engine_errors
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.errors import EngineError, UsageError


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
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
