from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cloud_etl.config.config import load_project
from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.run import RunContext
from cloud_etl.errors import ConfigError, EngineError, TargetError
from cloud_etl.pipeline.wiring import open_store
from cloud_etl.pipeline.work_area import WorkArea, find_work_area
from cloud_etl.storage.object_store import ObjectStore

PIPELINE = """
pipeline: p
source: {path: raw, format: csv}
schema: {a: {type: string}}
outputs: [{name: o}]
"""
FAR = "{name: spark, master: 'spark://far.example.com:7077'}"


def area_of(tmp_path: Path, *, store: str = "s3://bucket/shop", engine: str = FAR, more: str = "") -> WorkArea:
    text = (
        f"project: shop\nenvironments:\n  local:\n    store: {store}\n    engine: {engine}\n"
        f"    warehouse: {{duckdb: {{path: w.duckdb}}}}\n{more}"
    )
    (tmp_path / "cloud-etl.yaml").write_text(text)
    (tmp_path / "pipelines").mkdir(exist_ok=True)
    (tmp_path / "pipelines" / "p.yaml").write_text(PIPELINE)
    project = load_project(tmp_path, "local", {})
    return find_work_area(project, project.environment.engine, open_store(project))


def url_of(area: WorkArea) -> str | None:
    return area.store and area.store.url


@pytest.mark.parametrize("engine", ["{name: sail}", "{name: spark}", "{name: spark, master: 'spark://127.0.0.1:7077'}"])
@pytest.mark.parametrize("store", ["data", "s3://bucket/shop"])
def test_an_engine_that_sees_this_machine_works_in_its_scratch_folder(tmp_path, engine, store):
    assert url_of(area_of(tmp_path, store=store, engine=engine)) is None


@pytest.mark.parametrize("master", ["spark://far.example.com:7077", "yarn", "k8s://https://k:6443", "sc://far:15002"])
def test_executors_elsewhere_work_beside_the_data_in_s3(tmp_path, master):
    area = area_of(tmp_path, engine=f"{{name: spark, master: '{master}'}}")
    assert url_of(area) == "s3://bucket/shop/.scratch"


def test_a_scratch_in_s3_is_apart_for_each_store(tmp_path):
    urls = {
        url_of(area_of(tmp_path, store=store, more="    scratch: s3://fast/work/\n"))
        for store in ("s3://bucket/shop", "s3://bucket/other")
    }
    assert len(urls) == 2
    assert all(url is not None and url.startswith("s3://fast/work/") for url in urls)


def test_a_folder_that_all_machines_share_is_the_scratch(tmp_path):
    assert url_of(area_of(tmp_path, store="data", more="    scratch: /shared\n")) is None


def test_executors_elsewhere_and_a_store_of_this_machine_are_refused(tmp_path):
    with pytest.raises(EngineError, match=r"far\.example\.com:7077 cannot see .*s3:// store, or set scratch"):
        area_of(tmp_path, store="data")


def test_a_scratch_in_s3_is_for_spark_alone(tmp_path):
    with pytest.raises(ConfigError, match=r"the sail engine works in a folder .* --engine spark"):
        area_of(tmp_path, engine="{name: sail}", more="    scratch: s3://fast/work\n")


def test_work_files_in_s3_are_not_verified_by_an_engine_of_this_machine(tmp_path):
    with pytest.raises(ConfigError, match=r"verify: a second engine reads the work files .*s3://bucket/shop/\.scratch"):
        area_of(tmp_path, engine="{name: spark, master: yarn, verify: sail}")


def test_a_profile_of_this_machine_is_refused_for_others(tmp_path):
    with pytest.raises(ConfigError, match=r"s3\.profile: the machines of the cluster do not have it"):
        area_of(tmp_path, more="    s3: {profile: me}\n")


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    started = datetime(2024, 1, 1, tzinfo=UTC)
    return RunContext("run-2", "sales", "local", date(2024, 1, 1), started, tmp_path / "scratch/sales/run-2", 1)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open("work", S3Spec(), tmp_path)


def test_what_a_killed_run_left_goes_first_and_what_this_one_made_goes_last(run, store):
    for key in ("sales/run-1/staged/a", "sales/run-0/b", "orders/run-1/c", "sales_2/run-1/d"):
        store.write(key, b"1")
    with WorkArea(store).held(run) as place:
        assert {info.key for info in store.list()} == {"orders/run-1/c", "sales_2/run-1/d"}
        store.write(f"{place / 'frame'}".removeprefix(f"{store.url}/"), b"1")
        assert run.scratch.is_dir()
    assert {info.key for info in store.list()} == {"orders/run-1/c", "sales_2/run-1/d"}
    assert not run.scratch.exists()


def test_the_place_of_a_run_that_failed_is_removed(run, store):
    with pytest.raises(KeyboardInterrupt), WorkArea(store).held(run) as place:
        store.write(f"{place.key}/a", b"1")
        raise KeyboardInterrupt
    assert list(store.list()) == []


def test_a_store_that_refuses_to_delete_ends_no_run_that_went_well(run, store, monkeypatch):
    def refuse(prefix: str) -> None:
        raise TargetError("denied")

    with WorkArea(store).held(run) as place:
        store.write(f"{place.key}/a", b"1")
        monkeypatch.setattr(store, "delete_prefix", refuse)
    assert store.exists("sales/run-2/a")
    with pytest.raises(TargetError, match="denied"), WorkArea(store).held(replace(run, run_id="run-3")):
        pytest.fail("what was left must go before a run begins")


def test_without_a_store_the_scratch_folder_is_the_place(run):
    with WorkArea().held(run) as place:
        assert place == run.scratch
        assert run.scratch.is_dir()
    assert not run.scratch.exists()
