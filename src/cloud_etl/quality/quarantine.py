"""The quarantine: rows that checks rejected, written beside the reader's rejects, and both read back for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cloud_etl.domain.rejects import QUARANTINE_COLUMNS
from cloud_etl.domain.resources import LEAST_BYTES, Resources
from cloud_etl.domain.schema import LINE_BITS, REFUSED, ROW_ID
from cloud_etl.errors import QuarantineError, SourceError
from cloud_etl.quality.footers import columns_of
from cloud_etl.storage.parquet_footers import for_each
from cloud_etl.storage.parquet_queries import parquet_queries, query_error, quoted, read_parquet, text

if TYPE_CHECKING:
    from cloud_etl.domain.run import Batch, RunContext
    from cloud_etl.engines.marked_frame import Fate, WrittenFile

STAGE = "quality"
Columns = tuple[tuple[str, str], ...]
_SOURCES = (
    "CREATE TEMP TABLE sources AS "
    "SELECT unnest(?::BIGINT[]) AS place, unnest(?::VARCHAR[]) AS uri, unnest(?::VARCHAR[]) AS etag"
)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A local Parquet file of rejects and its rows; path is None where there was nothing to write."""

    path: Path | None
    rows: int


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """Rejects of one run and source file that share a reason.

    Attributes:
        loaded: whether the run loaded the rows beside them; the next run takes the same files again where it did
            not. None where the run has no report.
    """

    run_id: str
    pipeline: str
    source_uri: str | None
    stage: str
    code: str
    records: int
    loaded: bool | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected record; fields as in domain/rejects.py."""

    run_id: str
    pipeline: str
    source_uri: str | None
    source_etag: str | None
    line: int | None
    byte_position: int | None
    column: str | None
    code: str
    message: str
    raw_text: str | None
    raw_bytes: bytes | None
    stage: str
    rejected_at: datetime


def write(files: Sequence[WrittenFile], batch: Batch, run: RunContext) -> Quarantined:
    """Turn rejected rows of written frames into one Parquet file with the columns of the quarantine.

    The row stands in raw_text as JSON, as it was at the gate, with the value that a cast refused; file and line come
    from its lineage.

    Args:
        files: what `Written.dropped("rejected")` gives, of one or more frames.
        batch: its files are where the rows came from.
        run: names run and pipeline, and gives the scratch folder.

    Returns:
        A file in the run's scratch folder; its rows are as many as the footers of `files` hold.

    Raises:
        QuarantineError: the rejects could not be written; nothing may be published without them.
    """
    filled = [file for file in files if file.rows and file.fate is not None]
    expected = sum(file.rows for file in filled)
    if not filled:
        return Quarantined(None, 0)
    target = run.scratch / f"{STAGE}-00000.parquet"
    grouped = list(_by_fate(filled))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with parquet_queries(run.resources, run.scratch) as queries:
            queries.rows(_SOURCES, _columns_of_sources(batch))
            selects = [
                _select(fate, columns, queries.files([file.path for file in group]), run)
                for fate, columns, group in grouped
            ]
            written = int(str(queries.rows(_copy(selects, target))[0][0]))
    except (query_error(), OSError) as error:
        # The engine's own words may hold values of the row.
        raise QuarantineError(_not_written(expected, run, type(error).__name__)) from None
    if written != expected:
        raise QuarantineError(_not_written(expected, run, f"only {written:,} were written"))
    return Quarantined(target, written)


def summary(paths: Sequence[Path]) -> tuple[RejectGroup, ...]:
    """Count rejects by run, pipeline, source file and reason; the frequent ones of each file first.

    Raises:
        SourceError: a file of the quarantine cannot be read.
    """
    keys = "run_id, pipeline, source_uri, stage, code"
    sql = f"SELECT {keys}, count(*) AS records FROM {{files}} GROUP BY ALL ORDER BY 1, 2, 3, records DESC, code"
    return tuple(RejectGroup(*cast("tuple[str, str, str, str, str, int]", row)) for row in _read(paths, sql))


def rows(paths: Sequence[Path], limit: int, code: str | None = None, file: str | None = None) -> tuple[Reject, ...]:
    """Read rejected records, in the order of runs, files and lines.

    Args:
        paths: Parquet files of the quarantine, the reader's and the gate's.
        limit: most records to give.
        code: only those with this reason.
        file: only those of this source file: its uri, or the end of it from a slash on.

    Raises:
        SourceError: a file of the quarantine cannot be read.
    """
    names = ", ".join(f'"{name}"' for name, _, _ in QUARANTINE_COLUMNS)
    sql = (
        f"SELECT {names} FROM {{files}} WHERE ($1 IS NULL OR code = $1) "
        "AND ($2 IS NULL OR source_uri = $2 OR ends_with(source_uri, '/' || $2)) "
        "ORDER BY run_id, pipeline, source_uri, line, byte_position LIMIT $3"
    )
    found = _read(paths, sql, (code, file, limit))
    return tuple(Reject(*row) for row in found)  # type: ignore[arg-type]  # the columns' types are those of the file


def _read(paths: Sequence[Path], sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
    if not paths:
        return []
    try:
        with parquet_queries(Resources(LEAST_BYTES, cores=1)) as queries:
            return queries.rows(sql.format(files=read_parquet(paths)), parameters)
    except query_error() as error:
        folder = ", ".join(sorted({str(path.parent) for path in paths})[:3])
        raise SourceError(f"the quarantine in {folder} cannot be read: {error}. Nothing was changed.") from error


def _by_fate(files: Sequence[WrittenFile]) -> Iterator[tuple[Fate, Columns, list[WrittenFile]]]:
    """Files of one fate and one schema: frames of different steps may have different columns."""
    schemas = for_each(columns_of, [file.path for file in files])
    rejected = [
        (file.fate, columns, file) for file, columns in zip(files, schemas, strict=True) if file.fate is not None
    ]
    rejected.sort(key=lambda entry: (entry[0].step, entry[0].reason, entry[1]))
    for (fate, columns), group in groupby(rejected, key=lambda entry: entry[:2]):
        yield fate, columns, [file for _, _, file in group]


def _columns_of_sources(batch: Batch) -> tuple[list[int], list[str], list[str | None]]:
    # As columns: a statement with ten thousand values in its text takes a second to plan.
    return list(range(len(batch.files))), [ref.uri for ref in batch.files], [ref.etag for ref in batch.files]


def _copy(selects: Sequence[str], target: Path) -> str:
    return f"COPY ({' UNION ALL '.join(selects)}) TO {text(target)} (FORMAT parquet, COMPRESSION zstd)"


def _select(fate: Fate, columns: Columns, source: str, run: RunContext) -> str:
    message = f"wanted: {fate.demand}" if fate.demand else f"rejected by {fate.step}"
    line = f"frame.{ROW_ID} & {(1 << LINE_BITS) - 1}"
    values = {
        "run_id": text(run.run_id),
        "pipeline": text(run.pipeline),
        "source_uri": "sources.uri",
        "source_etag": "sources.etag",
        "line": line,
        "column": _nullable(fate.column),
        "code": text(f"{STAGE}.{fate.reason}"),
        "message": text(message),
        "raw_text": _as_json(columns, fate.column),
        "stage": text(STAGE),
        "rejected_at": f"TIMESTAMP {text(datetime.now(UTC).replace(tzinfo=None))}",
    }
    terms = (f'({values.get(name, "NULL")})::{kind} AS "{name}"' for name, kind, _ in QUARANTINE_COLUMNS)
    frame = f"{source} AS frame"
    return f"SELECT {', '.join(terms)} FROM {frame} LEFT JOIN sources ON sources.place = frame.{ROW_ID} >> {LINE_BITS}"


def _as_json(columns: Columns, refused: str | None) -> str:
    """The row as JSON; in place of the column that a cast emptied, the text that it refused."""
    kept = REFUSED in dict(columns) and refused is not None
    own = [(name, kind) for name, kind in columns if name != REFUSED]
    if kept and refused not in dict(own):
        # A later step renamed or dropped it.
        own.append((str(refused), ""))
    terms = []
    for name, kind in own:
        if kept and name == refused:
            value = f"to_json(frame.{quoted(name)})" if kind else "NULL"
            text_ = f"to_json(frame.{quoted(REFUSED)})"
            terms.append(f"{text(name)}, coalesce({text_}, {value})")
            continue
        value = f"frame.{quoted(name)}"
        if kind == "double":
            # JSON has no NaN and no infinity: they stand as text.
            value = f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE to_json({value}::VARCHAR) END"
        terms.append(f"{text(name)}, {value}")
    return f"json_object({', '.join(terms)})"


def _nullable(value: str | None) -> str:
    return "NULL" if value is None else text(value)


def _not_written(rows: int, run: RunContext, reason: str) -> str:
    return (
        f"the {rows:,} rejected rows of {run.pipeline} could not be written to the quarantine ({reason}). "
        f"Nothing was published. Look for space and rights in {run.scratch}, then run again."
    )
