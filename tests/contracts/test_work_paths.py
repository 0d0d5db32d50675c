"""What every store promises as a place of work files: a folder, moto's S3 and SeaweedFS's S3 run the same tests."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.errors import ObjectMissingError
from cloud_etl.storage import s3_boto, s3_store
from cloud_etl.storage.object_store import ObjectStore
from cloud_etl.storage.parquet_footers import footers
from cloud_etl.storage.parquet_queries import parquet_queries
from cloud_etl.storage.store_path import StorePath

RESOURCES = Resources(512 * MIB, 2)


@pytest.fixture
def area(store: ObjectStore) -> StorePath:
    return StorePath(store, "sales/run-1")


def put_parquet(path: StorePath, folder: Path, first: int, rows: int) -> StorePath:
    local = folder / "written.parquet"
    pq.write_table(pa.table({"n": list(range(first, first + rows)), "t": ["x" * 50] * rows}), local)
    return path.put(local)


def test_a_path_has_the_parts_of_its_key(area, store):
    below = area / "frame" / "_fate=0"
    assert (below.key, below.name, str(below)) == ("sales/run-1/frame/_fate=0", "_fate=0", f"{store.url}/{below.key}")
    assert below == StorePath(store, below.key, 12)


def test_files_below_a_prefix_are_found_with_their_sizes_and_by_name_alone(area, store):
    for name in ("a.parquet", "k=v/b.parquet", "k=v/b.crc", "_temporary/c.parquet"):
        store.write(f"{area.key}/{name}", b"12345")
    store.write("sales/run-10/other.parquet", b"")
    found = {path.key.removeprefix(f"{area.key}/"): path.stat().st_size for path in area.rglob("*.parquet")}
    assert found == {"a.parquet": 5, "k=v/b.parquet": 5, "_temporary/c.parquet": 5}


def test_a_path_knows_whether_there_is_an_object_and_its_size(area, store):
    store.write(f"{area.key}/here", b"123")
    assert (area / "here").is_file() and not (area / "gone").is_file()
    assert (area / "here").stat().st_size == 3
    with pytest.raises(ObjectMissingError):
        (area / "gone").stat()


def test_footers_of_many_files_come_in_their_order(area, tmp_path):
    paths = [put_parquet(area / f"{rows}.parquet", tmp_path, 0, rows) for rows in range(1, 40)]
    assert [footer.num_rows for footer in footers(paths)] == list(range(1, 40))


def test_sql_reads_exactly_the_files_it_is_told_of(area, tmp_path):
    names = ("odd [1] {a} ?*.parquet", "k=%20/b.parquet", "other.parquet")
    paths = [put_parquet(area / name, tmp_path, 100 * place, 10) for place, name in enumerate(names)]
    with parquet_queries(RESOURCES) as queries:
        source = queries.files(paths[:2], "file")
        rows = queries.rows(f"SELECT file, min(n), count(*) FROM {source} GROUP BY file ORDER BY 2")
    assert [(str(name).removeprefix("file://"), *counts) for name, *counts in rows] == [
        (str(paths[0]).removeprefix("file://"), 0, 10),
        (str(paths[1]).removeprefix("file://"), 100, 10),
    ]


def test_sql_reads_objects_beside_files_of_this_machine(area, tmp_path):
    there = put_parquet(area / "there.parquet", tmp_path, 0, 10)
    with parquet_queries(RESOURCES) as queries:
        source = queries.files([there, tmp_path / "written.parquet"])
        assert queries.rows(f"SELECT count(*) FROM {source}") == [(20,)]


def test_an_object_is_copied_within_the_store_and_stays(area, store):
    store.write(f"{area.key}/a", b"12345")
    store.take_all([(area / "a", f"kept/{number}") for number in range(20)])
    assert {store.read(f"kept/{number}") for number in range(20)} == {b"12345"}
    assert store.read(f"{area.key}/a") == b"12345"


def test_an_object_is_copied_from_a_store_elsewhere(area, store, tmp_path):
    other = store.elsewhere(f"{store.url}/scratch")
    other.write("a", b"12345")
    store.take(StorePath(other, "a"), "kept/a")
    assert store.read("kept/a") == b"12345"


def test_an_object_that_is_not_there_cannot_be_copied(area, store):
    with pytest.raises(ObjectMissingError):
        store.take(area / "gone", "kept/a")
    with pytest.raises(ObjectMissingError):
        store.take_all([(StorePath(store, "gone", 5), "kept/a")])
    assert not store.exists("kept/a")


def test_an_object_moves_from_s3_into_a_folder(area, tmp_path):
    folder = ObjectStore.open("elsewhere", S3Spec(), tmp_path)
    area.store.write(f"{area.key}/a", b"12345")
    folder.take(area / "a", "kept/a")
    assert (tmp_path / "elsewhere" / "kept" / "a").read_bytes() == b"12345"


@pytest.mark.integration
@pytest.mark.parametrize("server", ["moto", "seaweed"])
def test_a_large_object_is_copied_in_parts(server, request, tmp_path, monkeypatch):
    monkeypatch.setattr(s3_store, "MOST_COPIED_BYTES", 5 * MIB)
    monkeypatch.setattr(s3_boto, "MOST_COPIED_BYTES", 5 * MIB)
    monkeypatch.setattr(s3_boto, "_PART_BYTES", 5 * MIB)
    s3 = request.getfixturevalue(f"{server}_server")
    # SeaweedFS encrypts only where it was started with a key.
    spec = s3.spec.model_copy(update={"encryption": "sse-s3" if server == "moto" else "bucket"})
    store = ObjectStore.open(s3.new_url(), spec, tmp_path)
    data = bytes(range(256)) * (12 * MIB // 256)
    store.write("large", data)
    store.take(StorePath(store, "large"), "copies/large")
    assert store.read("copies/large") == data
    # An etag of parts ends in their number.
    assert (store.find("copies/large").etag or "").strip('"').endswith("-3")


@pytest.mark.integration
@pytest.mark.parametrize("server", ["moto", "seaweed"])
def test_an_object_is_copied_from_another_bucket(server, request, tmp_path):
    s3 = request.getfixturevalue(f"{server}_server")
    s3.client().create_bucket(Bucket="elsewhere")
    store = ObjectStore.open(s3.new_url(), s3.spec, tmp_path)
    other = store.elsewhere("s3://elsewhere/scratch")
    other.write("a", b"12345")
    store.take(StorePath(other, "a"), "kept/a")
    assert store.read("kept/a") == b"12345"


@pytest.mark.integration
def test_a_footer_is_read_without_the_rest_of_the_file(moto_server, tmp_path, monkeypatch):
    store = ObjectStore.open(moto_server.new_url(), moto_server.spec, tmp_path)
    rows = 400_000
    local = tmp_path / "large.parquet"
    pq.write_table(pa.table({"n": pa.array(range(rows)), "m": pa.array(range(rows, 0, -1))}), local, compression="none")
    path = StorePath(store, "large.parquet").put(local)
    fetched = []
    reader = store.reader("large.parquet", local.stat().st_size)
    read = type(reader).read

    def counted(self, size=-1):
        data = read(self, size)
        fetched.append(len(data))
        return data

    monkeypatch.setattr(type(reader), "read", counted)
    assert footers([path])[0].num_rows == rows
    assert sum(fetched) < 100_000 < local.stat().st_size


@pytest.mark.integration
@pytest.mark.parametrize("server", ["moto", "seaweed"])
def test_folder_markers_of_hadoop_go_with_their_prefix(server, request, tmp_path):
    s3 = request.getfixturevalue(f"{server}_server")
    store = ObjectStore.open(s3.new_url(), s3.spec, tmp_path)
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    for key in ("run/frame/", "run/frame/_temporary/", "run/frame/a.parquet", "running/"):
        s3.client().put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=b"")
    store.delete_prefix("run")
    left = s3.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", ())
    assert [item["Key"] for item in left] == [f"{prefix}/running/"]
