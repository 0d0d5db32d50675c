"""Fold the publications of a lake together now and then, so that its readers open few files and see every row once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.run import PublishedFile
from cloud_etl.domain.schema import LINE_BITS, ROW_ID
from cloud_etl.errors import ObjectExistsError, TargetError
from cloud_etl.publish import layout, manifest
from cloud_etl.publish.compact import ROWS_PER_GROUP, TARGET_BYTES
from cloud_etl.publish.parquet_schema import footer
from cloud_etl.storage.parquet_queries import parquet_queries, query_error, quoted, text

if TYPE_CHECKING:
    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.spec import OutputSpec
    from cloud_etl.publish.manifest import Described
    from cloud_etl.storage.object_store import ObjectStore
    from cloud_etl.storage.parquet_queries import ParquetQueries
    from cloud_etl.storage.store_path import StorePath

# A reader that has listed the publications may still read those that were folded since.
FOLDED_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file of a publication that is folded: where it is, which publication it is of, counted from the oldest."""

    file: PublishedFile
    path: StorePath
    member: int


class Folding:
    """Folds publications of one output and removes what was folded long enough ago.

    The folded set stands in a folder of its own, and its manifest names the publications in it: from the moment it is
    there readers leave those out. So one write of one object puts one set in the place of the other.

    Source: docs/adr/0024-folded-publications.md
    """

    def __init__(self, store: ObjectStore, run: RunContext, output: OutputSpec) -> None:
        """Store what to fold."""
        self._store = store
        self._run = run
        self._output = output

    def fold(self, loaded: Container[str], check: Callable[[], None]) -> tuple[str, ...]:
        """Fold the oldest publications of each level of which there are enough, and give the new folders.

        Args:
            loaded: runs that loaded what they published; others are left alone, and so is this run.
            check: raises where another run has the pipeline now; asked before readers are shown anything.

        Raises:
            TargetError: rows would be lost or doubled, or the store refuses; readers see what they saw before.
        """
        enough = self._output.fold_after
        if enough is None:
            return ()
        found = [
            (run_id, folder)
            for run_id, folder in layout.runs(self._store, self._output.name)
            if run_id != self._run.run_id and (run_id in loaded or layout.level(run_id))
        ]
        made: list[str] = []
        for level in range(_LEVELS):
            # Read anew for each level: what one gives may be enough for the next.
            if sum(layout.level(run_id) == level for run_id, _ in found) < enough:
                continue
            for alike in _alike(self._tidied(found)):
                if layout.level(alike[0].run_id) == level and len(alike) >= enough:
                    run_id, folder = self._fold(alike[:enough], level, check)
                    found.append((run_id, folder))
                    made.append(folder)
        return tuple(made)

    def _tidied(self, found: Sequence[tuple[str, str]]) -> list[Described]:
        """What readers see, the oldest first; what was folded longer ago than they take is removed."""
        described = manifest.described(self._store, found)
        before = datetime.now(UTC) - FOLDED_KEPT
        for one in described.values():
            if one.created_at <= before:
                for run_id in one.folds:
                    if (old := described.get(run_id)) is not None:
                        self._store.delete(f"{old.folder}/{layout.MANIFEST}")
                        self._store.delete_prefix(old.folder)
        return manifest.unfolded(described)

    def _fold(self, members: Sequence[Described], level: int, check: Callable[[], None]) -> tuple[str, str]:
        """Write the rows of some publications anew as one; what another run has folded before stays as it is."""
        oldest = members[0]
        run_id = layout.folded_id(oldest.run_id, level + 1)
        folder = f"{oldest.folder.rpartition('/')[0]}/run_{run_id}"
        work = self._run.scratch / f"fold-{self._output.name}-{level}"
        work.mkdir(parents=True, exist_ok=True)
        files = tuple(self._written(members, folder, work))
        rows = sum(file.rows for file in files)
        key = f"{folder}/{layout.MANIFEST}"
        publication = replace(
            oldest.publication, manifest_uri=self._store.uri(key), files=files, rows=rows, local_paths=()
        )
        check()
        try:
            self._store.write(key, manifest.encode_folded(publication, members, self._run.fence), once=True)
        except ObjectExistsError:
            for file in files:
                self._store.delete(manifest.key_of(self._store, file))
        return run_id, folder

    def _written(self, members: Sequence[Described], folder: str, work: Path) -> Iterator[PublishedFile]:
        pieces = [
            _Piece(file, path, place)
            for place, member in enumerate(members)
            for file, path in zip(
                member.publication.files, manifest.located(self._store, member.publication), strict=True
            )
        ]
        by_partition: defaultdict[str, list[_Piece]] = defaultdict(list)
        for piece in pieces:
            by_partition[layout.partition_folder(piece.file.partition, members[0].partition_by)].append(piece)
        offsets = [0]
        for member in members:
            offsets.append(offsets[-1] + len(member.sources))
        rows_in, rows_out = sum(piece.file.rows for piece in pieces), 0
        try:
            with parquet_queries(self._run.resources, work, keep_order=True) as queries:
                sql = _Sql(queries, offsets, self._keys, is_aggregated=members[0].publication.aggregated)
                replaced = sql.prepare(pieces)
                for name, group in sorted(by_partition.items()):
                    for number, part in enumerate(_by_size(group)):
                        target = work / "part.parquet"
                        queries.rows(
                            f"COPY ({sql.rows_of(part)}) TO {text(target)} "
                            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_PER_GROUP})"
                        )
                        rows = footer(target).num_rows
                        rows_out += rows
                        # The run's id in the name: two runs that fold the same never write one file.
                        below = f"{folder}/{name}" if name else folder
                        key = f"{below}/part-{number:05}-{self._run.run_id}.parquet"
                        size = target.stat().st_size
                        if rows:
                            self._store.put_file(target, key)
                            yield PublishedFile(self._store.uri(key), size, rows, dict(part[0].file.partition))
        except query_error() as exc:
            raise TargetError(
                f"{len(members)} publications of {self._output.name} could not be folded: {str(exc).splitlines()[0]}. "
                "They are untouched, and the rows of this run are loaded. See that the disk has room."
            ) from exc
        if rows_in != rows_out + replaced:
            raise TargetError(
                f"folding {len(members)} publications of {self._output.name} changed their {rows_in} rows to "
                f"{rows_out}, of {replaced} that were replaced by later ones. They are untouched; report this."
            )

    @property
    def _keys(self) -> tuple[str, ...]:
        load = self._output.load
        return load.keys if load is not None and load.mode == "upsert" else ()


# A level holds what the one below it was folded to: with 20 publications each, three hold 8,000.
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class _Sql:
    """The queries that read publications as one."""

    queries: ParquetQueries
    offsets: Sequence[int]
    keys: tuple[str, ...]
    is_aggregated: bool

    def prepare(self, pieces: Sequence[_Piece]) -> int:
        """Find the newest publication of each key, where keys are replaced, and tell how many rows are."""
        if not self.keys or not pieces:
            return 0
        names = ", ".join(map(quoted, self.keys))
        every = " UNION ALL ".join(
            f"SELECT {names}, {piece.member} AS _member FROM {self.queries.files([piece.path])}" for piece in pieces
        )
        self.queries.rows(
            f"CREATE TEMP TABLE _newest AS SELECT {names}, max(_member) AS _newest FROM ({every}) GROUP BY {names}"
        )
        [(rows,)] = self.queries.rows(f"SELECT count(*) FROM ({every}) a SEMI JOIN _newest n ON {self._is_replaced}")
        return int(str(rows))

    def rows_of(self, pieces: Sequence[_Piece]) -> str:
        """The rows of some files with the row ids of the folded set, without those that were replaced."""
        parts = []
        for piece in pieces:
            offset = self.offsets[piece.member] << LINE_BITS
            shifted = "" if self.is_aggregated else f" REPLACE ({ROW_ID} + {offset} AS {ROW_ID})"
            member = f", {piece.member} AS _member" if self.keys else ""
            parts.append(f"SELECT *{shifted}{member} FROM {self.queries.files([piece.path])}")
        every = " UNION ALL ".join(parts)
        if not self.keys:
            return every
        return f"SELECT a.* EXCLUDE (_member) FROM ({every}) a ANTI JOIN _newest n ON {self._is_replaced}"

    @property
    def _is_replaced(self) -> str:
        same = " AND ".join(f"a.{quoted(key)} = n.{quoted(key)}" for key in self.keys)
        return f"{same} AND a._member < n._newest"


def _alike(members: Sequence[Described]) -> list[list[Described]]:
    """Publications that follow one another, were folded equally often and have the same columns."""
    return [
        list(group)
        for _, group in groupby(
            members,
            key=lambda one: (
                layout.level(one.run_id),
                one.publication.schema,
                one.partition_by,
                one.publication.aggregated,
            ),
        )
    ]


def _by_size(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    groups: list[list[_Piece]] = [[]]
    held = 0
    for piece in pieces:
        if groups[-1] and held + piece.file.content_length > TARGET_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(piece)
        held += piece.file.content_length
    return groups
