"""What the files of a publication hold: their footers, and one pass over their text for what footers do not tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.files import source_of
from cloud_etl.domain.schema import LINEAGE, REFUSED, ROW_ID, ColumnType, Schema
from cloud_etl.errors import TargetError
from cloud_etl.load.dialect import quote
from cloud_etl.load.redshift.dialect import MAX_VARCHAR_BYTES, fold
from cloud_etl.storage.parquet_footers import footer, for_each
from cloud_etl.storage.parquet_queries import parquet_queries, query_error

if TYPE_CHECKING:
    import pyarrow as pa

    from cloud_etl.domain.resources import Resources
    from cloud_etl.domain.run import LoadRequest, LoadTask, Publication
    from cloud_etl.domain.work_path import WorkPath

_FILE = "cloud_etl_file"
# A backslash that is not itself escaped, and u0000.
_NUL_ESCAPED = r"(^|[^\\])(\\\\)*\\u0000"
_MEASURES = ("longest", "missing", "with_nul", "not_json")


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column as a footer shows it.

    Attributes:
        type: the contract's type that holds its values; None where COPY cannot read it.
        copy_type: Redshift's type that COPY wants for it; VARCHAR without its width.
    """

    name: str
    native: str
    type: ColumnType | None
    copy_type: str | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A column of a file, measured.

    Attributes:
        longest: bytes of the longest text; 0 for columns that are no text.
        missing: rows without a value.
        with_nul: texts that hold the character NUL; in JSON, escaped as well.
        not_json: texts of a json column that are no JSON.
    """

    longest: int = 0
    missing: int = 0
    with_nul: int = 0
    not_json: int = 0


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a publication; measured has no entry for columns that need no look."""

    name: str
    rows: int
    columns: tuple[FileColumn, ...]
    measured: Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class DataFiles:
    """All files of a publication.

    Attributes:
        source: where the first row of a file was read for which a condition holds; empty where the rows have no
            place of their own, such as the groups of an aggregate.
    """

    files: tuple[DataFile, ...]
    source: Callable[[str, str], str]

    @property
    def columns(self) -> tuple[FileColumn, ...]:
        """Columns in the order of the files, which COPY goes by; empty without files."""
        return self.files[0].columns if self.files else ()

    @property
    def longest(self) -> dict[str, int]:
        """Bytes of the longest text by column."""
        found: dict[str, int] = {}
        for file in self.files:
            for name, measured in file.measured.items():
                found[name] = max(found.get(name, 0), measured.longest)
        return found


def read_files(task: LoadTask, request: LoadRequest) -> DataFiles:
    """Read the footers of all files, and measure their columns in one pass.

    Args:
        task: the publication.
        request: says where its rows came from, and what may be used of this machine.

    Raises:
        TargetError: a file cannot be read.
    """
    publication, paths = task.publication, task.paths
    footers = for_each(lambda path: _footer(path, publication), paths)
    # A column that not every file has cannot be measured in one query; the pre-flight tells of it.
    everywhere = {name for name in publication.schema.names if all(name in {c.name for c in f[1]} for f in footers)}
    texts = {c.name for _, columns in footers for c in columns if c.type is not None and c.type.kind == "string"}
    measured = _measure(task, request.resources, everywhere, texts & everywhere) if paths and everywhere else {}
    return DataFiles(
        tuple(
            DataFile(path.name, rows, columns, measured.get(str(path), {}))
            for path, (rows, columns) in zip(paths, footers, strict=True)
        ),
        lambda name, condition: _source(task, request, name, condition),
    )


def _footer(path: WorkPath, publication: Publication) -> tuple[int, tuple[FileColumn, ...]]:
    import pyarrow as pa

    try:
        metadata = footer(path)
    except (OSError, pa.ArrowInvalid) as exc:
        raise TargetError(
            f"{path.name} of {publication.output} cannot be read as Parquet. Nothing was loaded. Run again."
        ) from exc
    physical = {metadata.schema.column(i).path: metadata.schema.column(i) for i in range(len(metadata.schema))}
    columns = tuple(
        _column(field, physical[field.name].physical_type if field.name in physical else "")
        for field in metadata.schema.to_arrow_schema()
    )
    return metadata.num_rows, columns


def _column(field: pa.Field, physical: str) -> FileColumn:
    import pyarrow as pa

    arrow = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_decimal(arrow):
        text = f"decimal({arrow.precision},{arrow.scale})"
        return FileColumn(field.name, text, ColumnType("decimal", arrow.precision, arrow.scale), text.upper())
    if pa.types.is_timestamp(arrow):
        # Nanoseconds come as INT96, which COPY reads; as INT64 it does not.
        readable = arrow.unit in ("ms", "us") or physical == "INT96"
        return FileColumn(
            field.name, str(arrow), ColumnType("timestamp") if readable else None, "TIMESTAMP" if readable else None
        )
    kind, copy_type = _types().get(arrow, (None, None))
    return FileColumn(field.name, str(arrow), ColumnType.parse(kind) if kind else None, copy_type)


def _types() -> Mapping[pa.DataType, tuple[str, str]]:
    import pyarrow as pa

    text = ("string", "VARCHAR")
    return {
        pa.string(): text, pa.large_string(): text, pa.string_view(): text, pa.bool_(): ("boolean", "BOOLEAN"),
        pa.int8(): ("integer", "SMALLINT"), pa.int16(): ("integer", "SMALLINT"), pa.int32(): ("integer", "INTEGER"),
        pa.int64(): ("bigint", "BIGINT"), pa.float32(): ("double", "REAL"),
        pa.float64(): ("double", "DOUBLE PRECISION"), pa.date32(): ("date", "DATE"),
    }  # fmt: skip


def _measure(task: LoadTask, resources: Resources, names: set[str], texts: set[str]) -> dict[str, dict[str, Measured]]:
    """Longest text, missing values, NUL and broken JSON by file and column, in one aggregate over all files."""
    publication = task.publication
    kinds = {column.name: column.type.kind for column in publication.schema.columns}
    ordered = sorted(names)
    parts = [part for name in ordered for part in _aggregates(name, kinds[name] if name in texts else "")]
    try:
        with parquet_queries(resources) as queries:
            source = queries.files(task.paths, _FILE)
            rows = queries.rows(f"SELECT {_FILE}, {', '.join(parts)} FROM {source} GROUP BY {_FILE}")
    except query_error() as exc:
        raise TargetError(
            f"the files of {publication.output} cannot be measured: {str(exc).splitlines()[0]}. "
            "Nothing was loaded. Run again."
        ) from None
    step = len(_MEASURES)
    return {
        str(row[0]): {
            name: Measured(*(int(str(value or 0)) for value in row[1 + at * step : 1 + (at + 1) * step]))
            for at, name in enumerate(ordered)
        }
        for row in rows
    }


def _source(task: LoadTask, request: LoadRequest, name: str, condition: str) -> str:
    """Asked after something was found only, so that a load without a fault pays nothing."""
    paths = [path for path in task.paths if path.name == name]
    try:
        with parquet_queries(request.resources) as queries:
            rows = queries.rows(f"SELECT min({quote(ROW_ID)}) FROM {queries.files(paths)} WHERE {condition}")
    except query_error():
        return ""
    return "" if rows[0][0] is None else source_of(int(str(rows[0][0])), request.files)


def _aggregates(name: str, kind: str) -> tuple[str, ...]:
    """One expression for each of Measured's fields."""
    column = quote(name)
    missing = f"count(*) - count({column})"
    if not kind:
        return ("0", missing, "0", "0")
    broken = f"count(*) FILTER (WHERE {not_json(name)})" if kind == "json" else "0"
    return (f"max(strlen({column}))", missing, f"count(*) FILTER (WHERE {with_nul(name, kind)})", broken)


def too_long(name: str) -> str:
    """Condition: the text is longer than Redshift holds."""
    return f"strlen({quote(name)}) > {MAX_VARCHAR_BYTES}"


def with_nul(name: str, kind: str) -> str:
    """Condition: the text holds NUL; in JSON, escaped as well."""
    plain = f"contains({quote(name)}, chr(0))"
    return f"({plain} OR regexp_matches({quote(name)}, '{_NUL_ESCAPED}'))" if kind == "json" else plain


def not_json(name: str) -> str:
    """Condition: the text is no JSON."""
    return f"NOT json_valid({quote(name)})"


def staging_columns(files: DataFiles, schema: Schema) -> tuple[tuple[str, str], ...]:
    """Names and types of the staging table: those of the files, in their order; without files those of the schema."""
    if not files.files:
        return tuple((fold(column.name), _NO_FILE[column.type.kind].format(column.type)) for column in schema.columns)
    # A text that was not measured: it may have any length, but for the one that is empty in all published rows.
    longest = {REFUSED: 0, **files.longest}
    return tuple(
        (fold(column.name), f"VARCHAR({min(MAX_VARCHAR_BYTES, max(1, longest.get(column.name, MAX_VARCHAR_BYTES)))})")
        if column.copy_type == "VARCHAR"
        else (fold(column.name), str(column.copy_type))
        for column in files.columns
    )


_NO_FILE = {
    "string": "VARCHAR(1)", "json": "VARCHAR(1)", "integer": "INTEGER", "bigint": "BIGINT",
    "double": "DOUBLE PRECISION", "decimal": "{}", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip


def is_lineage(name: str) -> bool:
    """Whether a column is cloud-etl's own and goes into no table."""
    return name in LINEAGE
