"""COPY that fails on a real server: what a user sees, and a warehouse that is as it was."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

import pytest

from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import TargetError

pytestmark = pytest.mark.integration
SPEC = LoadSpec(table="shop.sales", mode="upsert", keys=("id",))


@pytest.fixture
def failed(redshift_bench) -> Callable[[Callable[[LoadTask], None]], str]:
    """Publish, spoil what is in S3, load: the message; the tables and the ledger are as they were."""
    bench = redshift_bench
    columns = bench.schema(id="integer", name="string")
    bench.load_rows(SPEC, columns, [(1, "old")])

    def state() -> list[list[tuple]]:
        tables = ("shop.sales", "cloud_etl.etl_load_ledger", "cloud_etl.etl_loaded_files")
        return [bench.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]

    def load(spoil: Callable[[LoadTask], None]) -> str:
        before = state()
        request = bench.request(LoadTask(bench.publish(columns, [(1, "new"), (2, "b")], files=2), SPEC))
        spoil(request.tasks[0])
        with pytest.raises(TargetError) as caught:
            bench.load(request)
        assert state() == before
        message = str(caught.value)
        assert message.startswith("COPY of out for shop.sales stopped: ")
        assert "Nothing was loaded" in message
        return message

    load.store = bench.warehouse.store
    return load


def key_of(failed, task: LoadTask, number: int) -> str:
    return task.publication.files[number].uri.removeprefix(f"{failed.store.url}/")


def test_a_file_that_is_gone_from_s3(failed):
    message = failed(lambda task: failed.store.delete(key_of(failed, task, 1)))
    assert "A file of the publication is gone or was changed after it was published: run again." in message


def test_a_file_that_was_overwritten_by_a_shorter_one(failed):
    message = failed(lambda task: failed.store.write(key_of(failed, task, 1), b"PAR1"))
    assert "run again" in message


def test_a_manifest_that_is_gone(failed):
    key = "manifest.json"
    message = failed(
        lambda task: failed.store.delete(
            f"{task.publication.manifest_uri.removeprefix(f'{failed.store.url}/').rpartition('/')[0]}/{key}"
        )
    )
    assert "run again" in message


def test_a_file_with_longer_text_than_was_measured_names_file_and_column(failed, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cloud_etl.publish.manifest import Origin, encode

    def spoil(task: LoadTask) -> None:
        from dataclasses import replace
        from datetime import UTC, datetime

        longer = pa.table({"id": pa.array([2], pa.int32()), "name": ["x" * 300], "_row_id": pa.array([0], pa.int64())})
        pq.write_table(longer, tmp_path / "longer.parquet")
        failed.store.upload(tmp_path / "longer.parquet", key_of(failed, task, 1))
        size = (tmp_path / "longer.parquet").stat().st_size
        publication = task.publication
        files = (publication.files[0], replace(publication.files[1], content_length=size))
        origin = Origin("run-1", "sales", "batch", (), (), datetime(2024, 5, 1, tzinfo=UTC))
        key = publication.manifest_uri.removeprefix(f"{failed.store.url}/")
        failed.store.write(key, encode(replace(publication, files=files), origin))

    # Redshift writes the keys of files as urls.
    message = unquote(failed(spoil))
    for part in ("15001", "column name", "part[1].parquet", "Widen the column, or cut the value in transform."):
        assert part in message
