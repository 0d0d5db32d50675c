from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import ObjectChangedError, SourceError, TargetError, UnsafeKeyError
from cloud_etl.storage import drafts
from cloud_etl.storage.folder_store import FolderStore
from cloud_etl.storage.object_store import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", S3Spec())


def etag(store: ObjectStore, key: str) -> str | None:
    return store.find(key).etag


def refusals(store: ObjectStore) -> dict[str, str | None]:
    return {info.key: info.refused for info in store.list()}


def test_a_url_may_be_relative_absolute_or_a_file_url(tmp_path):
    spaced = tmp_path / "a b%20#"
    for url in ("a b%20#", "./a b%20#", str(spaced), f"file://{spaced}", f"file://{spaced}/"):
        assert ObjectStore.open(url, S3Spec(), tmp_path).url == f"file://{spaced}"


def test_an_unknown_scheme_is_refused(tmp_path):
    with pytest.raises(SourceError, match="gs://"):
        ObjectStore.open("gs://bucket", S3Spec(), tmp_path)


def test_opening_and_listing_write_nothing(store, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a").write_bytes(b"x")
    store.fingerprint(list(store.list()))
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["a"]


def test_touching_a_file_keeps_its_identity(store):
    store.write("a.csv", b"1,2")
    before = store.ref(store.find("a.csv"))
    os.utime(store.local_path("a.csv"), (1, 1))
    after = store.ref(store.find("a.csv"))
    assert after.modified_at != before.modified_at
    assert after.identity == before.identity


def test_new_content_with_old_size_and_old_time_is_noticed(store):
    store.write("a.csv", b"1,2")
    path = store.local_path("a.csv")
    os.utime(path, ns=(10**18, 10**18))
    before = etag(store, "a.csv")
    with path.open("r+b") as file:
        file.write(b"3,4")
    os.utime(path, ns=(10**18, 10**18))
    assert etag(store, "a.csv") != before


def test_a_second_look_at_a_settled_file_reads_it_no_more(store, monkeypatch):
    store.write("a.csv", b"1,2")
    settled = store.local_path("a.csv")
    # A hash is believed when the file was left alone for two seconds before; the clock is set on, not waited for.
    later = time.time_ns() + 5_000_000_000
    monkeypatch.setattr("cloud_etl.storage.fingerprints.time.time_ns", lambda: later)
    first = etag(store, "a.csv")
    store.remember_fingerprints()
    monkeypatch.setattr("cloud_etl.storage.fingerprints._sha256", lambda descriptor: pytest.fail("read again"))
    assert etag(store, "a.csv") == first
    again = FolderStore(settled.parent, S3Spec())
    assert etag(again, "a.csv") == first


def test_a_hash_of_a_file_just_written_is_not_believed_later(store, monkeypatch):
    store.write("a.csv", b"1,2")
    before = etag(store, "a.csv")
    monkeypatch.setattr("cloud_etl.storage.fingerprints._sha256", lambda descriptor: "hashed again")
    assert etag(store, "a.csv") == "hashed again" != before


@pytest.mark.parametrize(("changed_ns", "age_ns", "read_again"), [
    (10**18 + 1, 300_000_000, False),
    (10**18 + 1, 200_000_000, True),
    (10**18, 300_000_000, True),
    (10**18, 2_100_000_000, False),
])  # fmt: skip
def test_a_file_settles_sooner_where_the_clock_counts_fractions(store, monkeypatch, changed_ns, age_ns, read_again):
    store.write("a.csv", b"1,2")
    path = store.local_path("a.csv")
    os.utime(path, (1, 1))
    real = os.fstat
    monkeypatch.setattr("cloud_etl.storage.fingerprints.os.fstat", lambda descriptor: _changed(real(descriptor)))
    monkeypatch.setattr("cloud_etl.storage.fingerprints.signature", lambda status: (3, 1, changed_ns, 1))
    monkeypatch.setattr("cloud_etl.storage.fingerprints.time.time_ns", lambda: changed_ns + age_ns)

    def _changed(status: os.stat_result) -> SimpleNamespace:
        return SimpleNamespace(
            st_mode=status.st_mode, st_size=status.st_size, st_mtime_ns=status.st_mtime_ns, st_ctime_ns=changed_ns
        )

    before = etag(store, "a.csv")
    monkeypatch.setattr("cloud_etl.storage.fingerprints._sha256", lambda descriptor: "hashed again")
    assert (etag(store, "a.csv") != before) is read_again


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [[1], 2]}', "null"])
def test_a_broken_cache_of_hashes_costs_a_second_reading_only(store, content):
    store.write(".cloud-etl-test", b"x")
    store.write("a.csv", b"1,2")
    home = store.local_path("a.csv").parent / ".cloud-etl"
    home.mkdir(exist_ok=True)
    (home / "fingerprints.json").write_text(content)
    assert len(etag(store, "a.csv")) == 64


def test_hashes_of_deleted_files_are_not_kept(store, monkeypatch):
    later = time.time_ns() + 5_000_000_000
    monkeypatch.setattr("cloud_etl.storage.fingerprints.time.time_ns", lambda: later)
    store.write("gone.csv", b"1")
    store.write("here.csv", b"2")
    store.fingerprint(list(store.list()))
    store.delete("gone.csv")
    store.remember_fingerprints()
    kept = (store.local_path("here.csv").parent / ".cloud-etl" / "fingerprints.json").read_text()
    assert "here.csv" in kept and "gone.csv" not in kept


def test_a_file_written_to_while_it_is_hashed_is_left_for_the_next_run(store, monkeypatch):
    store.write("a.csv", b"1,2")
    path = store.local_path("a.csv")

    def hash_while_it_grows(descriptor: int) -> str:
        with path.open("ab") as file:
            file.write(b"\n3,4")
        return "half"

    monkeypatch.setattr("cloud_etl.storage.fingerprints._sha256", hash_while_it_grows)
    (info,) = store.fingerprint(list(store.list()))
    assert "next run" in info.refused


def test_hashes_of_a_foreign_folder_are_not_kept_there(store, tmp_path, monkeypatch):
    later = time.time_ns() + 5_000_000_000
    monkeypatch.setattr("cloud_etl.storage.fingerprints.time.time_ns", lambda: later)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "a.csv").write_bytes(b"1")
    other = store.elsewhere(f"file://{foreign}")
    other.fingerprint(list(other.list()))
    other.remember_fingerprints()
    assert [path.name for path in foreign.iterdir()] == ["a.csv"]
    assert (tmp_path / "store" / ".cloud-etl" / "fingerprints.json").exists()


def test_links_that_leave_the_store_are_listed_as_refused_and_not_followed(store, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "passwd").write_bytes(b"x")
    store.write("in/real.csv", b"1")
    root = store.local_path("in")
    (root / "out.csv").symlink_to(tmp_path / "secret" / "passwd")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "inner").symlink_to(root)
    (root / "nothing").symlink_to(root / "missing")
    (root / "same.csv").symlink_to(root / "real.csv")
    assert refusals(store) == {
        "in/real.csv": None,
        "in/same.csv": None,
        "in/out.csv": "symbolic link that leaves the folder",
        "in/folder": "symbolic link that leaves the folder",
        "in/inner": "symbolic link to a folder; such links are not followed",
        "in/nothing": "symbolic link to nothing",
    }
    for key in ("in/out.csv", "in/folder/passwd"):
        with pytest.raises(UnsafeKeyError, match="symbolic link"):
            store.read(key)
    with pytest.raises(UnsafeKeyError):
        store.write("in/folder/new", b"x")
    with pytest.raises(UnsafeKeyError):
        list(store.list("in/folder"))


def test_pipes_and_odd_names_are_listed_as_refused(store):
    store.write("a", b"x")
    root = store.local_path("a").parent
    os.mkfifo(root / "pipe")
    (root / "new\nline").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(root) + b"/not-utf8-\xff")).write_bytes(b"x")
    found = refusals(store)
    assert found.pop("pipe") == "not a regular file"
    assert found.pop("new\nline") == "control character in the name"
    assert found.pop("a") is None
    assert list(found.values()) == ["name is not UTF-8"]


def test_a_pipe_put_in_a_files_place_does_not_hang(store):
    store.write("a", b"x")
    (info,) = store.list()
    path = store.local_path("a")
    path.unlink()
    os.mkfifo(path)
    (looked,) = store.fingerprint([info])
    assert looked.refused is not None


def test_what_a_killed_writer_left_is_not_listed_and_goes_with_its_folder(store):
    code = (
        "import os, pathlib, sys\n"
        "from cloud_etl.storage.drafts import drafted\n"
        "with drafted(pathlib.Path(sys.argv[1])) as draft:\n"
        "    draft.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    store.write("out/whole", b"x")
    target = store.local_path("out/half")
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -9
    assert len(list(target.parent.iterdir())) == 2
    assert [info.key for info in store.list()] == ["out/whole"]
    store.delete_prefix("out")
    assert not target.parent.exists()


def test_a_failed_write_leaves_the_old_content_and_no_draft(store, monkeypatch):
    store.write("a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cloud_etl.storage.drafts.os.fsync", full)
    with pytest.raises(TargetError, match="disk is full"):
        store.write("a", b"new")
    assert store.read("a") == b"old"
    assert [path.name for path in store.local_path("a").parent.iterdir()] == ["a"]


def test_moving_a_file_in_across_file_systems_copies_it_whole(store, tmp_path, monkeypatch):
    source = tmp_path / "part.parquet"
    source.write_bytes(b"rows")
    rename = Path.replace

    def no_rename_between_file_systems(self: Path, target: Path) -> Path:
        if self == source:
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", no_rename_between_file_systems)
    store.put_file(source, "out/part.parquet")
    assert store.read("out/part.parquet") == b"rows"
    assert not source.exists()
    assert [path.name for path in store.local_path("out").iterdir()] == ["part.parquet"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_folder_without_permission_is_named(store):
    store.write("in/a", b"x")
    folder = store.local_path("in")
    folder.chmod(0)
    try:
        with pytest.raises(SourceError, match="right to read"):
            list(store.list())
        with pytest.raises(TargetError, match="right to write"):
            store.write("in/b", b"x")
    finally:
        folder.chmod(0o755)


def test_a_file_where_a_folder_must_be_is_a_target_error(store):
    store.write("a", b"x")
    with pytest.raises(TargetError, match="could not be written"):
        store.write("a/b", b"x")
    assert store.read("a") == b"x"


def test_a_download_checks_the_content_it_copied(store, tmp_path):
    store.write("a.csv", b"one")
    ref = store.ref(store.find("a.csv"))
    store.write("a.csv", b"two")
    with pytest.raises(ObjectChangedError):
        store.download(ref, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_drafts_of_killed_processes_are_removed_and_young_ones_stay(tmp_path):
    store = FolderStore(tmp_path, S3Spec())
    (tmp_path / "leases").mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    own = drafts._name_of(os.getpid())
    killed = own.replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    ended.wait()
    names = ("old", "young", f"{own}-a", f"{killed}-a", f"otherhost-{ended.pid}-1-a")
    for name in names:
        (tmp_path / f"leases/.cloud-etl-draft-{name}").write_bytes(b"half")
    os.utime(tmp_path / "leases/.cloud-etl-draft-old", (0, 0))
    store.write("leases/sales.json", b"{}")
    left = {path.name.removeprefix(".cloud-etl-draft-") for path in (tmp_path / "leases").iterdir()}
    assert left == {"young", f"{own}-a", f"otherhost-{ended.pid}-1-a", "sales.json"}
