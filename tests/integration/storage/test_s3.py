"""What only S3 has: odd keys, folder markers, missing buckets, credentials, parallel downloads of a batch."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import (
    LeaseHeldError,
    ObjectChangedError,
    SourceError,
    TargetError,
    TemporaryError,
    UnsafeKeyError,
)
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.state.lease import Lease
from cloud_etl.storage.object_store import ObjectStore

pytestmark = pytest.mark.integration


class Recorder:
    """Listens to a run and remembers how far each file got."""

    def __init__(self) -> None:
        self.done: dict[str, tuple[int, int]] = {}
        self.announced: list[tuple[int, int]] = []

    def phase(self, pipeline: str, phase: str) -> None: ...

    def files(self, count: int, size_bytes: int) -> None:
        self.announced.append((count, size_bytes))

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        assert done_bytes > self.done.get(key, (0, 0))[0], "progress went back"
        self.done[key] = (done_bytes, size_bytes)


@pytest.fixture
def bucket(moto_server, tmp_path):
    """A bucket of its own, by the client and as a store."""
    name = f"odd-{tmp_path.name.replace('_', '-').lower()[:50]}"
    client = moto_server.client()
    client.create_bucket(Bucket=name)
    return client, name, ObjectStore.open(f"s3://{name}", moto_server.spec, tmp_path)


def extractor(store: ObjectStore, tmp_path: Path, progress: Recorder, pattern: str = "**") -> S3Extractor:
    run = RunContext("run", "sales", "test", date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC), tmp_path / "work", 1)
    source = {"path": "raw", "pattern": pattern, "format": "csv"}
    spec = PipelineSpec.model_validate(
        {"pipeline": "sales", "source": source, "schema": {"a": {"type": "string"}}, "outputs": [{"name": "out"}]}
    )
    return S3Extractor(store, spec, run, progress)


def test_one_odd_key_does_not_hide_the_others(bucket, tmp_path):
    client, name, store = bucket
    good = [f"raw/{number:03d}.csv" for number in range(250)]
    odd = ["raw/../escape.csv", "raw//double.csv", "raw/./dot.csv", "raw/tab\t.csv", "raw/folder/", "raw/100//x.csv"]
    for key in good + odd:
        client.put_object(Bucket=name, Key=key, Body=b"x")
    found = extractor(store, tmp_path, Recorder()).list(frozenset())
    assert [file.key for file in found.files] == good
    assert {one.key for one in found.skipped} == set(odd)
    reasons = {one.key: one.reason for one in found.skipped}
    assert reasons["raw/../escape.csv"] == "a part .. would leave the folder"
    assert reasons["raw/folder/"] == "folder marker"
    assert reasons["raw/tab\t.csv"] == "control character in the name"


def test_a_batch_comes_down_in_parallel_with_progress(bucket, tmp_path):
    _, _, store = bucket
    contents = {f"raw/{folder}/same name.csv.gz": b"%d" % folder * (folder + 1) for folder in range(20)}
    for key, content in contents.items():
        store.write(key, content)
    progress = Recorder()
    source = extractor(store, tmp_path, progress)
    files = source.list(frozenset()).files
    local = source.download(files)
    assert [one.ref for one in local] == list(files)
    assert {one.ref.key: one.path.read_bytes() for one in local} == contents
    assert all(one.path.name.endswith(".csv.gz") for one in local)
    assert progress.announced == [(20, sum(map(len, contents.values())))]
    assert progress.done == {key: (len(content), len(content)) for key, content in contents.items()}


def test_one_overwritten_object_stops_the_batch_and_leaves_no_download(bucket, tmp_path):
    _, _, store = bucket
    for number in range(5):
        store.write(f"raw/{number}.csv", b"old")
    source = extractor(store, tmp_path, Recorder())
    files = source.list(frozenset()).files
    store.write("raw/3.csv", b"new")
    with pytest.raises(ObjectChangedError, match=r"raw/3\.csv"):
        source.download(files)
    assert not (tmp_path / "work" / "download").exists()
    assert len(source.list(frozenset(file.identity for file in files)).files) == 1


def test_an_empty_prefix_has_no_new_files(bucket, tmp_path):
    found = extractor(bucket[2], tmp_path, Recorder()).list(frozenset())
    assert (found.files, found.skipped) == ((), ())


def test_a_missing_bucket_is_named(moto_server, tmp_path):
    store = ObjectStore.open("s3://no-such-bucket/x", moto_server.spec, tmp_path)
    for attempt in (lambda: list(store.list()), lambda: store.read("a"), lambda: store.exists("a"), store.folders):
        with pytest.raises(SourceError, match=r"NoSuchBucket\. The bucket does not exist"):
            attempt()
    with pytest.raises(TargetError, match="NoSuchBucket"):
        store.write("a", b"x")


def test_wrong_credentials_are_named_and_not_printed(seaweed_server, tmp_path):
    wrong = seaweed_server.spec.model_copy(update={"access_key_id": "unknown-key"})
    store = ObjectStore.open(seaweed_server.new_url(), wrong, tmp_path)
    with pytest.raises(SourceError, match="check the credentials") as caught:
        list(store.list())
    assert "test-secret-key" not in str(caught.value) and "unknown-key" not in str(caught.value)
    with pytest.raises(TargetError, match="check the credentials"):
        store.write("a", b"x")


def test_no_credentials_at_all_says_where_they_could_come_from(moto_server, tmp_path):
    silent = S3Spec(endpoint=moto_server.endpoint)
    with pytest.raises(SourceError, match="AWS_PROFILE"):
        ObjectStore.open("s3://tests", silent, tmp_path).read("a")


def test_credentials_of_the_environment_and_of_a_profile_are_taken(seaweed_server, tmp_path, monkeypatch):
    url = seaweed_server.new_url()
    silent = S3Spec(endpoint=seaweed_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-access-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret-key")
    ObjectStore.open(url, silent, tmp_path).write("a", b"x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    profile = "[other]\naws_access_key_id = test-access-key\naws_secret_access_key = test-secret-key\n"
    (tmp_path / "credentials").write_text(profile)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert ObjectStore.open(url, silent, tmp_path).read("a") == b"x"


def test_a_server_that_is_not_there_is_a_passing_fault(tmp_path, monkeypatch):
    nobody = S3Spec(endpoint="http://127.0.0.1:9", access_key_id="a", secret_access_key="b")
    store = ObjectStore.open("s3://bucket", nobody, tmp_path)
    with pytest.raises(TemporaryError, match="could not be reached"):
        store.read("a")


def test_a_url_without_a_bucket_is_refused(tmp_path):
    with pytest.raises(SourceError, match="names no bucket"):
        ObjectStore.open("s3:///prefix", S3Spec(), tmp_path)
    with pytest.raises(UnsafeKeyError):
        ObjectStore.open("s3://bucket/../prefix", S3Spec(), tmp_path)


def test_a_lease_works_the_same_in_s3(bucket):
    _, _, store = bucket
    with Lease(store, "sales", "first") as first:
        first.check()
        with pytest.raises(LeaseHeldError, match="run by first"), Lease(store, "sales", "second"):
            pass
    with Lease(store, "sales", "second") as second:
        second.check()
