from __future__ import annotations

import os
import sys
import types
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.files import FileRef
from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.run import Choice, RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import DiskSpaceError, ObjectChangedError, SourceError, UnsafeKeyError, UsageError
from cloud_etl.extract import listing
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.storage.folder_store import FolderStore

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", S3Spec())


@pytest.fixture
def extractor(store: FolderStore, tmp_path: Path):
    def build(run_date: date = date(2026, 1, 31), words: Sequence[str] = (), **source: object) -> S3Extractor:
        choice = Choice(tuple(words))
        run = RunContext("run", "sales", "test", run_date, NOON, tmp_path / "scratch", 1, choice=choice)
        settings = {"path": "raw/sales", "pattern": "*.csv*", "format": "csv", **source}
        spec = PipelineSpec.model_validate(
            {"pipeline": "sales", "source": settings, "schema": {"a": {"type": "string"}}, "outputs": [{"name": "out"}]}
        )
        return S3Extractor(store, spec, run, NoProgress())

    return build


@pytest.fixture
def reader(monkeypatch):
    """A reader that does what the test tells it to do, in the place of the real one."""
    fake = types.ModuleType("cloud_etl.extract.reader.read_batch")
    fake.read_batch = lambda files, spec, run, progress, indexes: files
    monkeypatch.setitem(sys.modules, "cloud_etl.extract.reader.read_batch", fake)
    return fake


def reasons(found) -> dict[str, str]:
    return {one.key.removeprefix("raw/sales/"): one.reason for one in found.skipped}


def test_new_files_come_sorted_by_key_and_pinned(store, extractor):
    for name in ("b.csv", "a b.csv", "sub/c.csv", "d.json", "e.csv.gz"):
        store.write(f"raw/sales/{name}", name.encode())
    found = extractor().list(frozenset())
    assert [file.key for file in found.files] == ["raw/sales/a b.csv", "raw/sales/b.csv", "raw/sales/e.csv.gz"]
    assert found.skipped == ()
    assert found.files[0].uri == store.uri("raw/sales/a b.csv")
    assert len(found.files[0].etag) == 64
    assert found == extractor().list(frozenset())


def test_every_object_that_is_left_aside_has_a_reason(store, extractor):
    for name in (
        "good.csv", "_SUCCESS", "sub/_SUCCESS", "_temporary/0/part.csv", "x_$folder$", ".hidden.csv", "_draft.csv",
        "sub/.dir/a.csv", "a.zip", "b.tar.gz", "c.TGZ", "d.csv.xz", "e.csv.snappy",
    ):  # fmt: skip
        store.write(f"raw/sales/{name}", b"x")
    store.write("raw/sales/empty.csv", b"")
    found = extractor(pattern="**").list(frozenset())
    assert [file.key for file in found.files] == ["raw/sales/good.csv"]
    assert reasons(found) == {
        "_SUCCESS": listing.SUCCESS_MARKER,
        "sub/_SUCCESS": listing.SUCCESS_MARKER,
        "_temporary/0/part.csv": listing.UNFINISHED,
        "x_$folder$": listing.FOLDER_MARKER,
        ".hidden.csv": listing.HIDDEN,
        "_draft.csv": listing.HIDDEN,
        "sub/.dir/a.csv": listing.HIDDEN,
        "a.zip": listing.NOT_READ,
        "b.tar.gz": listing.NOT_READ,
        "c.TGZ": listing.NOT_READ,
        "d.csv.xz": listing.NOT_READ,
        "e.csv.snappy": listing.NOT_READ,
        "empty.csv": listing.ZERO_BYTES,
    }


@pytest.mark.parametrize(
    "name", ["a.csv.gz", "a.csv.zst", "a.csv.bz2", "zip.csv", "a.zipped.csv", "a.xz.csv", "v1.z.csv"]
)
def test_what_the_reader_knows_is_no_archive(store, extractor, name):
    store.write(f"raw/sales/{name}", b"x")
    assert len(extractor(pattern="*").list(frozenset()).files) == 1


def test_a_stated_compression_is_believed_whatever_the_ending(store, extractor):
    store.write("raw/sales/a.csv.z", b"x")
    assert len(extractor(compression="gz").list(frozenset()).files) == 1


def test_hidden_files_are_taken_when_asked_for_but_markers_are_not(store, extractor):
    for name in ("_draft.csv", "_SUCCESS", "_temporary/a.csv"):
        store.write(f"raw/sales/{name}", b"x")
    found = extractor(pattern="**", include_hidden=True).list(frozenset())
    assert [file.key for file in found.files] == ["raw/sales/_draft.csv"]


def test_hidden_folders_above_the_source_do_not_count(store, extractor):
    store.write("_landing/.in/a.csv", b"x")
    assert len(extractor(path="_landing/.in").list(frozenset()).files) == 1


def test_loaded_files_are_left_until_their_content_changes(store, extractor):
    store.write("raw/sales/a.csv", b"1,2")
    store.write("raw/sales/b.csv", b"1,2")
    loaded = frozenset(file.identity for file in extractor().list(frozenset()).files)
    assert len(loaded) == 2
    found = extractor().list(loaded)
    assert found.files == ()
    assert set(reasons(found).values()) == {listing.ALREADY_LOADED}
    os.utime(store.local_path("raw/sales/a.csv"))
    assert extractor().list(loaded).files == ()
    store.write("raw/sales/a.csv", b"3,4")
    assert [file.key for file in extractor().list(loaded).files] == ["raw/sales/a.csv"]


def test_a_content_that_comes_back_is_taken_again(store, extractor):
    loaded: list[str] = []
    for content in (b"1,2", b"3,4", b"1,2"):
        store.write("raw/sales/a.csv", content)
        (file,) = extractor().list(frozenset(loaded)).files
        loaded.append(file.identity)
        assert extractor().list(frozenset(loaded)).files == ()
    assert len(set(loaded)) == 3


def test_equal_files_of_two_days_are_two_files_in_a_folder_of_its_own(tmp_path, extractor):
    loaded: frozenset[str] = frozenset()
    for day in ("2026-01-31", "2026-02-01"):
        (tmp_path / "landing" / day).mkdir(parents=True)
        (tmp_path / "landing" / day / "a.csv").write_bytes(b"1,2")
        found = extractor(path=f"file://{tmp_path}/landing/{{date}}", run_date=date.fromisoformat(day))
        assert len(found.list(loaded).files) == 1
        loaded |= {file.identity for file in found.list(loaded).files}
        assert found.list(loaded).files == ()


def test_links_that_leave_the_store_are_skipped_with_the_reason(store, extractor, tmp_path):
    (tmp_path / "secret.csv").write_bytes(b"x")
    store.write("raw/sales/a.csv", b"x")
    store.local_path("raw/sales/b.csv").symlink_to(tmp_path / "secret.csv")
    found = extractor().list(frozenset())
    assert [file.key for file in found.files] == ["raw/sales/a.csv"]
    assert reasons(found) == {"b.csv": "symbolic link that leaves the folder"}


def test_a_link_to_another_place_of_the_store_is_set_aside_too(extractor, store):
    store.write("quarantine/x.csv", b"a\n1\n")
    store.write("raw/sales/a.csv", b"a\n1\n")
    store.local_path("raw/sales/b.csv").symlink_to(store.local_path("quarantine/x.csv"))
    store.local_path("raw/sales/c.csv").symlink_to("a.csv")
    found = extractor().list(frozenset())
    assert reasons(found) == {"b.csv": "symbolic link that leaves the folder"}
    assert [file.key for file in found.files] == ["raw/sales/a.csv", "raw/sales/c.csv"]


def test_an_empty_folder_has_no_new_files(store, extractor):
    store.local_path("raw/sales").mkdir(parents=True)
    found = extractor().list(frozenset())
    assert (found.files, found.skipped) == ((), ())


def test_a_missing_folder_is_an_error_with_a_hint(store, extractor):
    store.write("raw/sales/a.csv", b"x")
    with pytest.raises(SourceError, match=r"raw/slaes does not exist; did you mean 'sales'"):
        extractor(path="raw/slaes").list(frozenset())


def test_a_missing_folder_of_a_day_is_empty_but_the_folder_above_must_be_there(store, extractor):
    store.write("raw/2026-01-30/a.csv", b"x")
    assert extractor(path="raw/{date}").list(frozenset()).files == ()
    store.write("raw/2026-01-31/a.csv", b"x")
    assert [file.key for file in extractor(path="raw/{date}").list(frozenset()).files] == ["raw/2026-01-31/a.csv"]
    with pytest.raises(SourceError, match="wrong does not exist"):
        extractor(path="wrong/{date}").list(frozenset())


def test_a_file_given_as_the_folder_is_explained(store, extractor):
    store.write("raw/sales/a.csv", b"x")
    with pytest.raises(SourceError, match=r"source\.pattern"):
        extractor(path="raw/sales/a.csv").list(frozenset())


def test_an_absolute_url_is_listed_below_its_own_root(store, extractor, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").write_bytes(b"x")
    found = extractor(path=f"file://{tmp_path}/elsewhere")
    (file,) = found.list(frozenset()).files
    assert (file.key, file.uri) == ("a.csv", f"file://{tmp_path}/elsewhere/a.csv")
    assert found.download([file])[0].path == tmp_path / "elsewhere" / "a.csv"
    with pytest.raises(SourceError, match="does not exist"):
        extractor(path=f"file://{tmp_path}/nowhere").list(frozenset())


def test_files_of_a_folder_are_read_in_place(store, extractor, tmp_path):
    store.write("raw/sales/a.csv", b"x")
    source = extractor()
    (local,) = source.download(source.list(frozenset()).files)
    assert local.path == store.local_path("raw/sales/a.csv")
    assert not (tmp_path / "scratch").exists()


def test_a_reference_that_would_leave_the_store_is_refused(extractor):
    ref = FileRef("file:///etc/passwd", "../../etc/passwd", 1, None, None, NOON)
    with pytest.raises(UnsafeKeyError):
        extractor().download([ref])


def test_too_little_disk_is_said_before_anything_is_read(store, extractor, monkeypatch):
    store.write("raw/sales/a.csv", b"x" * 1_000_000)
    usage = types.SimpleNamespace(free=1_999_999)
    monkeypatch.setattr("cloud_etl.extract.s3_extractor.shutil.disk_usage", lambda path: usage)
    source = extractor()
    with pytest.raises(DiskSpaceError, match=r"need about 2 MB .* 2 MB are free\. Nothing was downloaded"):
        source.download(source.list(frozenset()).files)
    usage.free = 2_000_000
    source.download(source.list(frozenset()).files)


def test_a_file_overwritten_while_it_was_read_loads_nothing(store, extractor, reader):
    store.write("raw/sales/a.csv", b"1,2")
    source = extractor()
    local = source.download(source.list(frozenset()).files)
    assert source.validate(local) == local
    reader.read_batch = lambda *arguments, **_: store.write("raw/sales/a.csv", b"3,4")
    with pytest.raises(ObjectChangedError, match=r"a\.csv was overwritten"):
        source.validate(local)


def test_a_file_that_looks_gone_because_it_was_overwritten_is_reported_as_overwritten(store, extractor, reader):
    store.write("raw/sales/a.csv", b"1,2")
    source = extractor()
    local = source.download(source.list(frozenset()).files)

    def refuse(*arguments: object, **_: object) -> None:
        raise SourceError("a.csv is gone")

    reader.read_batch = refuse
    with pytest.raises(SourceError, match="is gone"):
        source.validate(local)
    store.write("raw/sales/a.csv", b"3,4")
    with pytest.raises(ObjectChangedError):
        source.validate(local)


def test_a_file_only_touched_while_it_was_read_is_fine(store, extractor, reader):
    store.write("raw/sales/a.csv", b"1,2")
    source = extractor()
    local = source.download(source.list(frozenset()).files)
    os.utime(local[0].path, (1, 1))
    assert source.validate(local) == local


def test_an_uploaded_file_is_what_the_next_listing_shows(store, extractor, tmp_path):
    (tmp_path / "new.csv").write_bytes(b"1,2")
    source = extractor()
    ref = source.upload(tmp_path / "new.csv", "raw/sales/new.csv")
    assert source.list(frozenset()).files == (ref,)
    assert (tmp_path / "new.csv").exists()


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        (["b.csv"], ["b.csv"]),
        (["raw/sales/b.csv"], ["b.csv"]),
        (["*.csv"], ["a.csv", "b.csv"]),
        (["x/*", "a.csv"], ["a.csv", "x/[1].csv"]),
        (["x/[1].csv"], ["x/[1].csv"]),
        (["**"], ["a.csv", "b.csv", "x/[1].csv"]),
    ],
)
def test_chosen_files_are_taken_and_the_others_go_on_waiting(store, extractor, words, taken):
    for name in ("a.csv", "b.csv", "x/[1].csv"):
        store.write(f"raw/sales/{name}", name.encode())
    waiting = extractor(pattern="**").list(frozenset()).files
    found = extractor(pattern="**", words=words).list(frozenset())
    assert [file.key.removeprefix("raw/sales/") for file in found.files] == taken
    left = {file.key.removeprefix("raw/sales/") for file in waiting} - set(taken)
    assert reasons(found) == dict.fromkeys(left, listing.NOT_CHOSEN)
    after = extractor(pattern="**").list(frozenset(file.identity for file in found.files))
    assert {file.key.removeprefix("raw/sales/") for file in after.files} == left


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["c.csv"], r"--files 'c\.csv' names no file that waits below .*raw/sales\. Waiting: raw/sales/b\.csv\. Noth"),
        (["b.csv", "nothing*"], r"--files 'nothing\*' names no file .* Waiting: raw/sales/b\.csv"),
        (["a.csv"], r"--files 'a\.csv' names .*raw/sales/a\.csv is left aside \(already loaded\)\. Waiting"),
        (["[z-a]"], r"--files '\[z-a\]'"),
    ],
)
def test_a_chosen_name_that_takes_nothing_is_an_error_that_names_what_waits(store, extractor, words, message):
    for name in ("a.csv", "b.csv"):
        store.write(f"raw/sales/{name}", name.encode())
    [loaded, _] = extractor().list(frozenset()).files
    with pytest.raises(UsageError, match=message):
        extractor(words=words).list(frozenset({loaded.identity}))
