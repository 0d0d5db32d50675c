"""The manifest of a publication: what makes its files visible, and readable for Redshift's COPY."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cloud_etl.domain.dataclass_json import decode, parsed
from cloud_etl.domain.run import Publication, PublishedFile
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.errors import ObjectMissingError, SourceError, UnsafeKeyError
from cloud_etl.publish import layout
from cloud_etl.storage.store_path import StorePath

if TYPE_CHECKING:
    from cloud_etl.domain.files import FileRef
    from cloud_etl.storage.object_store import ObjectInfo, ObjectStore

T = TypeVar("T")
FORMAT_VERSION = 1
# uri, etag, version, size in bytes
Source = tuple[str, str | None, str | None, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a publication comes from, for its manifest.

    Attributes:
        files: the source objects of the batch.
        fence: number of the lease under which it was published.
        starts_anew: whether it takes the place of all publications before it.
    """

    run_id: str
    pipeline: str
    batch_id: str
    files: tuple[FileRef, ...]
    partition_by: tuple[str, ...]
    created_at: datetime
    fence: int = 0
    starts_anew: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """A publication as its manifest describes it.

    Attributes:
        run_id: of the run that published it, or what stands in its place for a folded one.
        sources: the source files as the manifest has them.
        folds: the publications that it stands for; readers leave those out.
    """

    run_id: str
    folder: str
    publication: Publication
    pipeline: str
    partition_by: tuple[str, ...]
    sources: tuple[Mapping[str, object], ...]
    created_at: datetime
    folds: tuple[str, ...]


def encode(publication: Publication, origin: Origin) -> bytes:
    """The manifest as JSON: `entries` for COPY, `cloud_etl` for us."""
    ours = {
        "run_id": origin.run_id,
        "pipeline": origin.pipeline,
        "partition_by": list(origin.partition_by),
        "batch_id": origin.batch_id,
        "files": [
            {"uri": file.uri, "etag": file.etag, "version": file.version, "size_bytes": file.size_bytes}
            for file in origin.files
        ],
        "created_at": origin.created_at.isoformat(),
        "fence": origin.fence,
        **({"starts_anew": True} if origin.starts_anew else {}),
    }
    return _encoded(publication, ours)


def encode_folded(publication: Publication, members: Sequence[Described], fence: int) -> bytes:
    """The manifest of publications that were folded, the oldest first; row ids count their files in this order."""
    ours = {
        "run_id": members[0].run_id,
        "pipeline": members[0].pipeline,
        "partition_by": list(members[0].partition_by),
        "folds": [run_id for member in members for run_id in (member.run_id, *member.folds)],
        "files": [dict(source) for member in members for source in member.sources],
        "created_at": datetime.now(UTC).isoformat(),
        "fence": fence,
    }
    return _encoded(publication, ours)


def _encoded(publication: Publication, ours: Mapping[str, object]) -> bytes:
    entries = [
        {
            "url": file.uri,
            "mandatory": True,
            "meta": {"content_length": file.content_length, "record_count": file.rows},
        }
        for file in publication.files
    ]
    common = {
        "format": FORMAT_VERSION,
        "version": version("cloud-etl"),
        "output": publication.output,
        "schema": [
            {"name": column.name, "type": str(column.type), "nullable": column.nullable}
            for column in publication.schema.columns
        ],
        "rows": publication.rows,
        "aggregated": publication.aggregated,
        "partitions": [dict(file.partition) for file in publication.files],
    }
    return json.dumps({"entries": entries, "cloud_etl": {**common, **ours}}, indent=1).encode()


def lake(store: ObjectStore, output: str) -> tuple[Publication, ...]:
    """The publications of an output that together hold its rows, each once, the oldest first.

    Raises:
        SourceError: a manifest is none of ours.
    """
    return tuple(one.publication for one in unfolded(described(store, layout.runs(store, output))))


def described(store: ObjectStore, found: Iterable[tuple[str, str]]) -> dict[str, Described]:
    """Complete publications by run id, of (run id, folder)."""
    known = {}
    for run_id, folder in found:
        key = f"{folder}/{layout.MANIFEST}"
        try:
            data = store.read(key)
        except ObjectMissingError:
            continue
        publication, ours = _decoded(store, key, data)
        known[run_id] = Described(
            run_id, folder, publication, ours["pipeline"], tuple(ours["partition_by"]), tuple(ours["files"]),
            datetime.fromisoformat(ours["created_at"]), tuple(ours.get("folds", ())),
        )  # fmt: skip
    return known


def unfolded(known: Mapping[str, Described]) -> list[Described]:
    """Those that no other stands for, the oldest first."""
    folded = {run_id for one in known.values() for run_id in one.folds}
    return [known[run_id] for run_id in sorted(known) if run_id not in folded]


def latest(store: ObjectStore, output: str) -> Publication | None:
    """The newest complete publication of an output, by run id; None where there is none."""
    for _, folder in layout.runs(store, output):
        key = f"{folder}/{layout.MANIFEST}"
        if store.exists(key):
            return read_manifest(store, key)
    return None


def read_manifest(store: ObjectStore, key: str) -> Publication:
    """The publication that a manifest describes.

    Args:
        store: the store it was published in.
        key: key of the manifest.

    Returns:
        The publication; local_paths is empty where objects of the store are not files of this machine.

    Raises:
        SourceError: there is none, or it is no manifest of ours.
    """
    return _decoded(store, key, store.read(key))[0]


def _decoded(store: ObjectStore, key: str, data: bytes) -> tuple[Publication, Any]:
    try:
        document = _document(data)
        ours = document["cloud_etl"]
        columns = (
            Column(column["name"], ColumnType.parse(column["type"]), column["nullable"]) for column in ours["schema"]
        )
        files = tuple(
            _published(entry, partition)
            for entry, partition in zip(document["entries"], ours["partitions"], strict=True)
        )
        paths = tuple(path for file in files if (path := store.local_path(key_of(store, file))) is not None)
        publication = Publication(
            _of(str, ours["output"]),
            store.uri(key),
            Schema(tuple(columns)),
            files,
            _of(int, ours["rows"]),
            _of(bool, ours["aggregated"]),
            paths,
        )
    except (ValueError, KeyError, TypeError, AttributeError, UnsafeKeyError) as exc:
        raise SourceError(
            f"{store.uri(key)} is no manifest of cloud-etl (format {FORMAT_VERSION}). "
            "Remove its folder, or read it with the version that wrote it."
        ) from exc
    return publication, ours


def source_of(file: FileRef) -> Source:
    """What a manifest remembers of a source file."""
    return file.uri, file.etag, file.version, file.size_bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a manifest says of who published it, and from what; fence is 0 where an older version wrote it."""

    pipeline: str
    fence: int
    sources: frozenset[Source]
    starts_anew: bool


def claimed(store: ObjectStore, key: str) -> Claimed | None:
    """Who published what a manifest describes; None where there is none, or it is none of ours."""
    try:
        ours = _document(store.read(key))["cloud_etl"]
        files = frozenset((file["uri"], file["etag"], file["version"], file["size_bytes"]) for file in ours["files"])
        anew = ours.get("starts_anew") is True
        return Claimed(_of(str, ours["pipeline"]), _of(int, ours.get("fence", 0)), files, anew)
    except (ObjectMissingError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _document(data: bytes) -> dict[str, Any]:
    found = parsed(data)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _of(kind: type[T], value: object) -> T:
    return cast("T", decode(kind, value))


def _published(entry: dict[str, Any], partition: object) -> PublishedFile:
    found = {
        "uri": entry["url"], "content_length": entry["meta"]["content_length"],
        "rows": entry["meta"]["record_count"], "partition": partition,
    }  # fmt: skip
    return _of(PublishedFile, found)


def fetch(store: ObjectStore, publication: Publication, folder: Path) -> Publication:
    """The publication with its files on this machine; downloads them where the store is not a folder.

    Args:
        store: the store it was published in.
        publication: as `latest` or `read_manifest` gave it.
        folder: takes the copies.

    Raises:
        SourceError: a file is missing, or has another size than the manifest says.
    """
    if len(publication.local_paths) == len(publication.files):
        return publication
    paths = []
    for number, info in enumerate(_listed(store, publication)):
        target = folder / f"{number:05}.parquet"
        store.download(store.ref(info), target)
        paths.append(target)
    return replace(publication, local_paths=tuple(paths))


def located(store: ObjectStore, publication: Publication) -> tuple[StorePath, ...]:
    """Where the files lie in the store, as paths from which this machine and executors elsewhere can read them.

    Raises:
        SourceError: a file is missing, or has another size than the manifest says.
    """
    return tuple(StorePath(store, info.key, info.size_bytes) for info in _listed(store, publication))


def _listed(store: ObjectStore, publication: Publication) -> Iterator[ObjectInfo]:
    manifest_key = publication.manifest_uri.removeprefix(f"{store.url}/")
    listed = {info.key: info for info in store.list(manifest_key.rpartition("/")[0])}
    for file in publication.files:
        info = listed.get(key_of(store, file))
        if info is None or info.size_bytes != file.content_length:
            raise SourceError(f"{file.uri} is not as its manifest says ({publication.manifest_uri}). Run it again.")
        yield info


def key_of(store: ObjectStore, file: PublishedFile) -> str:
    """The key of a published file."""
    return file.uri.removeprefix(f"{store.url}/")
