"""What Spark is started with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_settings import (
    Master,
    as_text,
    context_settings,
    jar_settings,
    memory_settings,
    session_settings,
    shown,
    shuffle_partitions,
)
from cloud_etl.errors import EngineError


def master(url: str | None, cores: int = 2) -> Master:
    return Master.parse(EngineSpec(name="spark", master=url), cores)


@pytest.mark.parametrize(
    ("written", "taken"),
    [(None, "local[2]"), ("local", "local[2]"), ("local[*]", "local[2]"), ("local[7]", "local[7]"), ("yarn", "yarn")],
)
def test_a_local_master_takes_the_cores_the_engine_may_use(written, taken):
    assert master(written).url == taken


@pytest.mark.parametrize("url", ["mesos://a:1", "locall[2]", "local[0x]", "local[0]", "http://host", ""])
def test_an_address_that_is_no_master_is_refused(url):
    with pytest.raises(EngineError, match="no Spark master"):
        Master.parse(EngineSpec(name="spark", master=url or " "), 2)


@pytest.mark.parametrize("name", ["spark.sql.ansi.enabled", "spark.sql.session.timeZone", "spark.sql.caseSensitive"])
def test_settings_on_which_equal_tables_rest_are_fixed(name):
    with pytest.raises(ValidationError, match=f"{name} is fixed: .*; leave it out"):
        EngineSpec(name="spark", config={name: "x"})


def test_where_executors_run_is_told_by_the_address():
    assert master("local[2]").is_here
    assert master("spark://127.0.0.1:7077").is_here
    assert not master("spark://10.0.0.9:7077").is_here
    assert not master("yarn").is_here
    assert master("sc://host:15002/;token=abc").is_connect


def test_tokens_and_passwords_of_an_address_are_not_shown():
    assert shown("sc://host:15002/;token=abc") == "sc://host:15002/"
    assert shown("k8s://https://user:word@host:6443") == "k8s://https://host:6443"


@given(st.integers(900, 1_000_000))
def test_heap_and_what_is_beside_it_make_up_the_memory(megabytes):
    spec = EngineSpec(name="spark", memory=f"{megabytes}MB")
    made = memory_settings(spec, master("spark://h:1"))
    assert made["spark.driver.memory"] == made["spark.executor.memory"]
    heap, beside = int(made["spark.executor.memory"][:-1]), int(made["spark.executor.memoryOverhead"][:-1])
    assert heap + beside == megabytes
    assert heap >= 512
    assert beside >= 256


def test_too_little_memory_for_a_jvm_is_refused():
    with pytest.raises(EngineError, match=r"engine.memory of 1024MB at least, and has 512MB"):
        memory_settings(EngineSpec(name="spark", memory="512MB"), master(None))


@given(st.integers(0, 10**13), st.integers(1, 64))
def test_partitions_of_a_shuffle_grow_with_the_data_between_bounds(size_bytes, cores):
    found = shuffle_partitions(size_bytes, cores)
    assert cores <= found <= 4096
    assert found <= shuffle_partitions(size_bytes * 2, cores)


def test_a_given_number_of_shuffle_partitions_is_taken():
    assert session_settings(EngineSpec(shuffle_partitions=7), 2)["spark.sql.shuffle.partitions"] == "7"


def test_local_spark_listens_on_the_loopback_alone_and_has_no_ui(tmp_path):
    made = context_settings(EngineSpec(name="spark"), master(None), tmp_path)
    assert made["spark.driver.bindAddress"] == "127.0.0.1"
    assert made["spark.ui.enabled"] == "false"
    assert "spark.driver.bindAddress" not in context_settings(EngineSpec(), master("yarn"), Path("/x"))


def test_local_spark_asks_for_a_secret_at_its_ports(tmp_path):
    made = context_settings(EngineSpec(name="spark"), master(None), tmp_path)
    assert made["spark.authenticate"] == made["spark.network.crypto.enabled"] == "true"
    assert not any("secret" in name for name in made), "a secret in the settings would be on the command line"


def test_settings_of_the_user_are_written_as_spark_takes_them():
    assert as_text({"spark.a": True, "spark.b": 3, "spark.c": "x"}) == {
        "spark.a": "true",
        "spark.b": "3",
        "spark.c": "x",
    }
    with pytest.raises(ValidationError, match="begin with spark"):
        EngineSpec(config={"park.a": 1})


def test_the_jars_of_a_folder_are_named_one_by_one(tmp_path):
    (tmp_path / "b.jar").touch()
    (tmp_path / "a b.jar").touch()
    (tmp_path / "readme.txt").touch()
    spec = EngineSpec(name="spark", jars=str(tmp_path))
    assert jar_settings(spec)["spark.jars"] == f"{tmp_path.as_uri()}/a%20b.jar,{tmp_path.as_uri()}/b.jar"
    assert jar_settings(EngineSpec(name="spark")) == {}


def test_a_folder_without_jars_is_refused(tmp_path):
    with pytest.raises(EngineError, match="holds no jar"):
        jar_settings(EngineSpec(name="spark", jars=str(tmp_path)))
