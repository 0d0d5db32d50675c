"""UNLOAD: rows of a query as files in S3, named as Redshift names them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from cloud_etl.local_aws.redshift.copy.objects import Objects, S3Address
from cloud_etl.local_aws.redshift.copy.tokens import tokenize
from cloud_etl.local_aws.redshift.copy.unload_files import Row, Writer, open_writer
from cloud_etl.local_aws.redshift.copy.unload_query import Query, QueryColumn
from cloud_etl.local_aws.redshift.port import RedshiftError

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.statement import UnloadStatement
    from cloud_etl.local_aws.redshift.port import Backend

_ENDINGS = {"GZIP": ".gz", "ZSTD": ".zst", "BZIP2": ".bz2"}
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_MOST_OPEN = 200
_NOT_EMPTY = (
    "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually removing "
    "the target files in S3, or using the ALLOWOVERWRITE option."
)


@dataclass(frozen=True, slots=True)
class _File:
    address: S3Address
    rows: int
    bytes: int


@dataclass(slots=True)
class Written:
    """What an UNLOAD has written so far."""

    found: list[_File] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.found)

    @property
    def files(self) -> int:
        """Number of files, without the manifest."""
        return len(self.found)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.found)


@dataclass(slots=True)
class _Part:
    """The file of one partition that is being written."""

    writer: Writer
    path: Path
    rows: int = 0


class Unloader:
    """Writes the files of one statement."""

    def __init__(self, statement: UnloadStatement, objects: Objects) -> None:
        """Store what to write where."""
        self._statement = statement
        self._objects = objects
        self._target = S3Address.parse(statement.target)
        self._parts: dict[str, _Part] = {}
        self._numbers: dict[str, int] = {}
        self.written = Written()

    def run(self, backend: Backend) -> None:
        """Write every row of the query.

        Raises:
            RedshiftError: the query fails, the destination holds objects, or S3 refuses.
        """
        query = Query(self._statement.query, backend)
        columns = query.columns
        kept, partitions = self._split(columns)
        self._clear()
        with tempfile.TemporaryDirectory(prefix="unload-") as folder:
            for row in query.rows():
                self._add(row, kept, partitions, columns, Path(folder))
            if not self._numbers and self._statement.format != "PARQUET" and not partitions:
                self._part("", [columns[place] for place in kept], Path(folder))
            for prefix in list(self._parts):
                self._finish(prefix)
        if self._statement.manifest:
            self._write_manifest([columns[place] for place in kept])

    def _split(self, columns: Sequence[QueryColumn]) -> tuple[list[int], list[int]]:
        """Places of the columns that go into the files, and of those that make the folders."""
        names = [column.name for column in columns]
        for name in self._statement.partition_by:
            if name not in names:
                raise RedshiftError(f'UNLOAD partition column "{name}" is not in the select list', sqlstate="42703")
        partitions = [names.index(name) for name in self._statement.partition_by]
        out = () if self._statement.include else partitions
        kept = [place for place in range(len(columns)) if place not in out]
        if not kept:
            raise RedshiftError("UNLOAD needs a column that PARTITION BY leaves for the files")
        return kept, partitions

    def _clear(self) -> None:
        found = [info.key for info in self._objects.list(self._target)]
        if found and self._statement.clean_path:
            for key in found:
                self._objects.delete(S3Address(self._target.bucket, key))
        elif found and not self._statement.allow_overwrite:
            raise RedshiftError(_NOT_EMPTY)

    def _add(
        self, row: Row, kept: Sequence[int], partitions: Sequence[int], columns: Sequence[QueryColumn], folder: Path
    ) -> None:
        prefix = "".join(f"{columns[place].name}={_folder(row[place])}/" for place in partitions)
        part = self._parts.get(prefix) or self._part(prefix, [columns[place] for place in kept], folder)
        part.writer.write([row[place] for place in kept])
        part.rows += 1
        if part.writer.size_bytes >= self._statement.max_file_bytes:
            self._finish(prefix)

    def _part(self, prefix: str, columns: Sequence[QueryColumn], folder: Path) -> _Part:
        if len(self._parts) >= _MOST_OPEN:
            # The one opened first ends early: a partition of many then has a file more.
            self._finish(next(iter(self._parts)))
        path = folder / f"{len(self.written.found) + len(self._parts):08d}"
        part = _Part(open_writer(self._statement, columns, path), path)
        self._parts[prefix] = part
        self._numbers.setdefault(prefix, 0)
        return part

    def _finish(self, prefix: str) -> None:
        part = self._parts.pop(prefix)
        part.writer.close()
        address = S3Address(self._target.bucket, self._target.key + prefix + self._name(self._numbers[prefix]))
        self._numbers[prefix] += 1
        size = part.path.stat().st_size
        self._objects.upload(part.path, address)
        part.path.unlink()
        self.written.found.append(_File(address, part.rows, size))

    def _name(self, number: int) -> str:
        statement = self._statement
        stem = f"0000_part_{number:02d}" if statement.parallel or statement.partition_by else f"{number:03d}"
        if statement.extension is not None:
            return f"{stem}.{statement.extension.lstrip('.')}"
        ending = {"PARQUET": ".parquet", "JSON": ".json"}.get(statement.format, "")
        return stem + ending + _ENDINGS.get(statement.compression, "")

    def _write_manifest(self, columns: Sequence[QueryColumn]) -> None:
        entries = []
        for file in self.written.found:
            meta = {"content_length": file.bytes}
            if self._statement.verbose:
                meta["record_count"] = file.rows
            entries.append({"url": file.address.uri, "meta": meta})
        manifest: dict[str, object] = {"entries": entries}
        if self._statement.verbose:
            manifest["schema"] = {"elements": [{"name": one.name, "type": one.described} for one in columns]}
            manifest["meta"] = {"content_length": self.written.bytes, "record_count": self.written.rows}
            manifest["author"] = {"name": "Amazon Redshift", "version": "1.0.0"}
        address = S3Address(self._target.bucket, f"{self._target.key}manifest")
        self._objects.write(address, json.dumps(manifest, indent=2).encode())


def _folder(value: str | None) -> str:
    return _NULL_PARTITION if value is None else quote(value, safe=" +,;@!()'-_.~:")


def refuse_limit(query: str) -> None:
    """Refuse what is no SELECT, and LIMIT in the outer SELECT, as Redshift does.

    Raises:
        RedshiftError: says which of the two.
    """
    depth = 0
    for token in _outer(query):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and token == "LIMIT":  # noqa: S105  no password, a key word
            raise RedshiftError("Limit clause is not supported", sqlstate="0A000")
    if not re.match(r"\s*(select|with|\()", query, re.IGNORECASE):
        raise RedshiftError("UNLOAD takes a SELECT statement", sqlstate="42601")


def _outer(query: str) -> Iterator[str]:
    for token in tokenize(query):
        if token.kind in ("word", "symbol"):
            yield token.text.upper()
