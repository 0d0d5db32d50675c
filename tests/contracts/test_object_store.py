"""What every object store promises: a folder, moto's S3 and SeaweedFS's S3 run the same tests."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud_etl.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceError,
    TargetError,
    UnsafeKeyError,
)
from cloud_etl.storage.object_store import ObjectStore

ODD_KEYS = (
    "a b/c d.csv", "k=v/part=1/x.csv", "hash#1.csv", "100%.csv", "%20.csv", "a+b.csv", "über/ß.csv", "e\u0301.csv",
    "q?x*.csv", "[1].csv", "back\\slash.csv", "quote'\".csv", "😀.csv", "~tilde.csv", "a&b;c.csv", "x" * 200,
)  # fmt: skip


def listed(store: ObjectStore, prefix: str = ""):
    return {info.key: info for info in store.list(prefix)}


def only_ref(store: ObjectStore, key: str):
    (info,) = store.fingerprint([listed(store)[key]])
    return store.ref(info)


def test_an_empty_store_lists_nothing(store):
    assert listed(store) == {}
    assert store.folders() == ()
    assert not store.exists("raw-data")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_are_exact(store, tmp_path, key, request):
    if "\\" in key and "seaweed" in request.node.name:
        pytest.skip("SeaweedFS itself stores a backslash as a slash")
    store.write(f"in/{key}", key.encode())
    assert list(listed(store)) == [f"in/{key}"]
    assert store.read(f"in/{key}") == key.encode()
    store.download(only_ref(store, f"in/{key}"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == key.encode()
    store.delete(f"in/{key}")
    assert listed(store) == {}


def test_a_listing_tells_size_time_and_takes_whole_path_parts(store):
    for key in ("in/a.csv", "in/sub/b.csv", "in-between/c.csv", "other/d.csv"):
        store.write(key, b"12345")
    assert sorted(listed(store, "in")) == sorted(listed(store, "in/")) == ["in/a.csv", "in/sub/b.csv"]
    info = listed(store)["in/a.csv"]
    assert info.size_bytes == 5
    assert info.refused is None
    assert info.modified_at.utcoffset().total_seconds() == 0
    assert store.folders() == ("in", "in-between", "other")
    assert store.folders("in/") == ("sub",)
    assert store.exists("in/sub") and store.exists("in/a.csv") and not store.exists("in/a")


def test_a_listing_of_more_than_one_page_is_complete(store, request):
    # moto is set to pages of 100; SeaweedFS, like S3, has pages of 1,000.
    count = 1_005 if "seaweed" in request.node.name else 205
    keys = {f"in/{number:04d}.csv" for number in range(count)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.write(key, b"x"), keys))
    assert set(listed(store)) == keys
    store.delete_prefix("in")
    assert listed(store) == {}


def test_new_content_under_the_same_name_and_size_is_another_identity(store):
    store.write("a.csv", b"one")
    first = only_ref(store, "a.csv")
    assert only_ref(store, "a.csv").identity == first.identity
    store.write("a.csv", b"two")
    assert only_ref(store, "a.csv").identity != first.identity
    store.write("a.csv", b"one")
    assert only_ref(store, "a.csv").identity == first.identity, "a later time alone must not make a file new"


def test_a_write_once_key_is_taken_by_exactly_one_writer(store):
    together = threading.Barrier(6)

    def attempt(number: int) -> int | None:
        together.wait()
        try:
            store.write("runs/1/manifest.json", b"writer %d" % number, once=True)
        except ObjectExistsError:
            return None
        return number

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number in pool.map(attempt, range(6)) if number is not None]
    assert len(winners) == 1
    assert store.read("runs/1/manifest.json") == b"writer %d" % winners[0]


def test_replace_wants_the_etag_of_the_last_write(store):
    first = store.write("lease.json", b"first", once=True)
    assert store.get("lease.json").etag == first
    second = store.replace("lease.json", b"second", first)
    with pytest.raises(ObjectChangedError):
        store.replace("lease.json", b"third", first)
    assert store.get("lease.json").data == b"second"
    assert store.get("lease.json").etag == second
    with pytest.raises(ObjectChangedError):
        store.replace("gone.json", b"x", first)
    assert not store.exists("gone.json")


def test_exactly_one_of_many_replacers_wins(store):
    etag = store.write("lease.json", b"start")
    together = threading.Barrier(6)

    def attempt(number: int) -> int | None:
        together.wait()
        try:
            store.replace("lease.json", b"taker %d" % number, etag)
        except ObjectChangedError:
            return None
        return number

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number in pool.map(attempt, range(6)) if number is not None]
    assert len(winners) == 1
    assert store.read("lease.json") == b"taker %d" % winners[0]


def test_a_missing_key_is_named(store):
    with pytest.raises(ObjectMissingError, match=r"missing\.json does not exist"):
        store.read("missing.json")
    store.delete("missing.json")
    store.delete_prefix("missing")


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../b", "a//b", "a/./b", "a\x00b", "a\nb", ""])
def test_keys_that_could_leave_the_store_are_refused(store, tmp_path, key):
    (tmp_path / "new").write_bytes(b"x")
    for attempt in (
        lambda: store.read(key),
        lambda: store.write(key, b"x"),
        lambda: store.replace(key, b"x", "etag"),
        lambda: store.put_file(tmp_path / "new", key),
        lambda: store.delete(key),
        lambda: store.local_path(key),
    ):
        with pytest.raises(UnsafeKeyError):
            attempt()
    assert (tmp_path / "new").read_bytes() == b"x"


def test_the_whole_store_cannot_be_deleted(store):
    store.write("a", b"x")
    for prefix in ("", "/"):
        with pytest.raises(TargetError):
            store.delete_prefix(prefix)
    assert store.read("a") == b"x"


def test_deleting_a_folder_leaves_its_neighbours(store):
    for key in ("out/run_1/a", "out/run_1/b/c", "out/run_10/a", "out/run_1.txt"):
        store.write(key, b"x")
    store.delete_prefix("out/run_1")
    assert sorted(listed(store)) == ["out/run_1.txt", "out/run_10/a"]


def test_large_files_go_up_and_come_down_unchanged(store, tmp_path):
    content = b"".join(hashlib.sha256(b"%d" % number).digest() * 1024 for number in range(1_100))  # 34 MiB
    (tmp_path / "up").write_bytes(content)
    store.put_file(tmp_path / "up", "big.bin")
    assert not (tmp_path / "up").exists()
    told: list[int] = []
    store.download(only_ref(store, "big.bin"), tmp_path / "deep" / "down", told.append)
    assert (tmp_path / "deep" / "down").read_bytes() == content
    assert sum(told) == len(content)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["down"]


def test_an_empty_file_comes_down_empty(store, tmp_path):
    store.write("empty", b"")
    store.download(only_ref(store, "empty"), tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == b""


def test_an_upload_leaves_the_local_file(store, tmp_path):
    (tmp_path / "up.csv").write_bytes(b"a,b")
    etag = store.upload(tmp_path / "up.csv", "in/up.csv")
    assert (tmp_path / "up.csv").exists()
    assert only_ref(store, "in/up.csv").etag == etag


@pytest.mark.parametrize("content", [b"TWO", b"longer than before"])
def test_an_object_overwritten_after_the_listing_is_not_taken(store, tmp_path, content):
    store.write("a.csv", b"one")
    ref = only_ref(store, "a.csv")
    store.verify(ref)
    store.write("a.csv", content)
    with pytest.raises(ObjectChangedError, match=r"a\.csv was overwritten"):
        store.download(ref, tmp_path / "down" / "a.csv")
    with pytest.raises(ObjectChangedError):
        store.verify(ref)
    assert list((tmp_path / "down").iterdir()) == []


def test_an_object_deleted_after_the_listing_is_named(store, tmp_path):
    store.write("a.csv", b"one")
    ref = only_ref(store, "a.csv")
    store.delete("a.csv")
    with pytest.raises(ObjectChangedError, match="deleted"):
        store.verify(ref)
    with pytest.raises(SourceError, match=r"a\.csv"):
        store.download(ref, tmp_path / "down")
    assert not (tmp_path / "down").exists()


def test_uris_are_not_encoded_and_open_the_same_store(store):
    store.write("a b/c#1.csv", b"x")
    assert store.uri("a b/c#1.csv") == f"{store.url}/a b/c#1.csv"
    assert store.elsewhere(store.url).read("a b/c#1.csv") == b"x"
    assert store.elsewhere(f"{store.url}/a b").read("c#1.csv") == b"x"
    assert list(listed(store.elsewhere(f"{store.url}/a b"))) == ["c#1.csv"]


def test_a_range_holds_the_bytes_from_one_offset_to_before_another(store):
    content = bytes(range(256)) * 40
    store.write("a.bin", content)
    ref = store.ref(store.find("a.bin"))
    for start, end in ((0, 1), (0, len(content)), (255, 2000), (len(content) - 1, len(content))):
        assert store.read_range(ref, start, end) == content[start:end]


def test_a_range_of_an_object_that_became_shorter_is_not_taken(store):
    store.write("a.bin", b"0123456789")
    ref = store.ref(store.find("a.bin"))
    store.write("a.bin", b"01234")
    with pytest.raises(ObjectChangedError, match=r"a\.bin was overwritten"):
        store.read_range(ref, 2, 8)
