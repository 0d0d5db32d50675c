"""Parquet files as columns of the table: footers checked, one row group at a time, values checked as Redshift does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloud_etl.local_aws.redshift.copy.binary import arrow_type
from cloud_etl.local_aws.redshift.copy.failures import (
    SCAN_ERROR,
    ScanError,
    ScanFault,
    detailed,
    s3_exception,
    s3_failures,
)
from cloud_etl.local_aws.redshift.copy.parquet_schema import SchemaCheck, file_url
from cloud_etl.local_aws.redshift.port import RedshiftError

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.objects import Objects
    from cloud_etl.local_aws.redshift.copy.sources import SourceFile
    from cloud_etl.local_aws.redshift.copy.statement import CopyStatement
    from cloud_etl.local_aws.redshift.copy.table import TableColumn, Target
    from cloud_etl.local_aws.redshift.port import SessionInfo

# Beside what one names to choose the format, all that a columnar COPY takes; the others fail with their name.
_ALLOWED = frozenset(
    {
        "FORMAT", "PARQUET", "ORC", "ACCEPTINVCHARS", "FILLRECORD", "STATUPDATE", "MANIFEST", "EXPLICIT_IDS",
        "SERIALIZETOJSON", "NOLOAD",
    }
)  # fmt: skip
_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 << 20
_BUFFERED_BYTES = 128 << 20
_MOST_SUPER_STRING = 65_535
_MOST_SUPER = 16 << 20
_FETCH = _TOO_LONG = 15001
_INVALID_VALUE = 15007
_NULL = 8007
_FOOTER_BYTES = 8


def check_options(statement: CopyStatement) -> None:
    """Refuse the options that columnar formats do not take.

    Raises:
        RedshiftError: names the first of them.
    """
    for word in statement.written:
        if word not in _ALLOWED:
            raise RedshiftError(
                f"{word} argument is not supported for {statement.format} based COPY", sqlstate="0A000"
            )  # fmt: skip
    if statement.authorization.access_key_id:
        raise RedshiftError("COPY from this file format only accepts IAM_ROLE credentials", sqlstate="0A000")
    if statement.format == "ORC":
        raise RedshiftError("FORMAT ORC is not supported on this server.", sqlstate="0A000")


class ColumnarReader:
    """Reads the files of one statement."""

    def __init__(self, statement: CopyStatement, target: Target, objects: Objects, session: SessionInfo) -> None:
        """Store what to read into what."""
        self._target = target
        self._objects = objects
        self._session = session
        self._replacement = statement.rows.replace_invalid
        self._check = SchemaCheck(
            target, session, fill_record=statement.rows.fill_record, to_json=statement.serialize_to_json
        )

    def batches(self, file: SourceFile) -> Iterator[list[pa.Array]]:
        """Columns of the file, batch by batch, in the Arrow types of the table.

        Raises:
            RedshiftError: the file does not fit the table.
        """
        self._check.check_super()
        with s3_failures(), self._opened(file) as opened:
            metadata, schema = opened.metadata, opened.schema_arrow
            self._check.check(metadata, schema, file.address)
            for group in range(metadata.num_row_groups):
                yield from self._row_group(file, metadata, group)

    def _opened(self, file: SourceFile) -> pq.ParquetFile:
        """The file by its footer, which is looked for where the manifest says the file ends."""
        try:
            reader = self._objects.open(file.address, file.size_bytes)
            if file.size_bytes < _FOOTER_BYTES:
                raise pa.ArrowInvalid("too short")
            reader.seek(file.size_bytes - _FOOTER_BYTES)
            with s3_failures():
                footer = reader.read(_FOOTER_BYTES)
        except RedshiftError as exc:
            raise self._unreadable(file, exc) from exc
        except pa.ArrowInvalid as exc:
            raise self._no_parquet(file, b"") from exc
        if len(footer) < _FOOTER_BYTES:
            raise self._unreadable(file, s3_exception("InternalError"))
        if footer[-4:] != b"PAR1":
            raise self._no_parquet(file, footer[-4:])
        try:
            reader.seek(0)
            return pq.ParquetFile(pa.PythonFile(reader, mode="r"), coerce_int96_timestamp_unit="us")
        except (pa.ArrowInvalid, OSError) as exc:
            raise self._no_parquet(file, footer[-4:]) from exc

    def _row_group(self, file: SourceFile, metadata: pq.FileMetaData, group: int) -> Iterator[list[pa.Array]]:
        found = metadata.row_group(group)
        size, rows = found.total_byte_size, max(1, found.num_rows)
        fetched = sum(found.column(place).total_compressed_size for place in range(found.num_columns))
        batch = min(_BATCH_ROWS, max(256, _BATCH_BYTES * rows // max(1, size)))
        source = pa.PythonFile(self._objects.open(file.address, file.size_bytes), mode="r")
        # A small row group is fetched at once, in parallel ranges; a large one as it is decoded.
        settings: dict[str, bool | int] = {"pre_buffer": True}
        if fetched > _BUFFERED_BYTES:
            settings = {"pre_buffer": False, "buffer_size": 4 << 20}
        opened = pq.ParquetFile(source, metadata=metadata, coerce_int96_timestamp_unit="us", **settings)
        for read in opened.iter_batches(batch_size=batch, row_groups=[group], use_threads=False):
            yield self._converted(read, file)

    def _converted(self, batch: pa.RecordBatch, file: SourceFile) -> list[pa.Array]:
        conversion = _Conversion(self._session, file, self._replacement)
        columns = self._target.columns
        found = [conversion.column(column, array) for column, array in zip(columns, batch.columns, strict=False)]
        for column in columns[len(found) :]:
            empty = pa.nulls(batch.num_rows, arrow_type(column))
            conversion.check_nulls(column, empty)
            found.append(empty)
        return found

    def _unreadable(self, file: SourceFile, exc: RedshiftError) -> RedshiftError:
        url = file_url(file.address, self._session)
        if "InternalError" in exc.message:
            context = (
                "Task failed due to an internal error. HTTP response error code: 416 Message: InvalidRange "
                f"The requested range is not satisfiable, File name: {url}"
            )
        elif "Error AccessDenied" in exc.message:
            context = f"Forbidden: HTTP response error code: 403 Message: AccessDenied Access Denied, File name: {url}"
        else:
            return exc
        return ScanError(self._session, ScanFault(_FETCH, context, url))

    def _no_parquet(self, file: SourceFile, found: bytes) -> RedshiftError:
        shown = found.decode("ascii", "backslashreplace")
        url = file_url(file.address, self._session)
        return ScanError(self._session, ScanFault(_FETCH, f"File '{url}' has an invalid version number: {shown}", url))


@dataclass(frozen=True, slots=True)
class _Conversion:
    session: SessionInfo
    file: SourceFile
    replacement: str | None

    def column(self, column: TableColumn, array: pa.Array) -> pa.Array:
        if column.type == "super":
            array = _as_json(array, self.session)
        elif column.is_text:
            array = self._text(column, array)
        elif column.type == "int2":
            array = self._small(column, array)
        elif pa.types.is_timestamp(array.type) and array.type.tz is not None:
            array = array.cast(pa.timestamp(array.type.unit, "UTC")).cast(pa.timestamp(array.type.unit))
        self.check_nulls(column, array)
        wanted = arrow_type(column)
        return array if array.type == wanted else array.cast(wanted)

    def check_nulls(self, column: TableColumn, array: pa.Array) -> None:
        if column.not_null and array.null_count:
            error = f"Cannot insert a NULL value into column {column.name}"
            raise self._fault(column, _NULL, "query execution", error)

    def _fault(self, column: TableColumn, code: int, context: str, error: str = SCAN_ERROR) -> ScanError:
        url = file_url(self.file.address, self.session)
        return ScanError(self.session, ScanFault(code, f"{context}, File name: {url}", url, column.name, error))

    def _text(self, column: TableColumn, array: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        array = self._valid_text(column, array.cast(pa.string()) if array.type != pa.string() else array)
        lengths = pc.binary_length(array)
        longest = pc.max(lengths).as_py() or 0
        if longest > column.width:
            first = lengths.filter(pc.greater(lengths, column.width))[0].as_py()
            raise self._fault(
                column, _TOO_LONG,
                f"The length of the data column {column.name} is longer than the length defined in the table. "
                f"Table: {column.width}, Data: {first}",
            )  # fmt: skip
        return array

    def _valid_text(self, column: TableColumn, array: pa.Array) -> pa.Array:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as exc:
            if self.replacement is None:
                raise self._fault(
                    column, _INVALID_VALUE,
                    f"The data column {column.name} contains invalid or unsupported UTF-8 codepoints",
                ) from exc  # fmt: skip
            return pa.array([self._replaced(value) for value in array.view(pa.binary()).to_pylist()], pa.string())
        return array

    def _replaced(self, value: bytes | None) -> str | None:
        # Each wrong byte gives one replacement, as Redshift keeps the length in bytes.
        return (
            None
            if value is None
            else "".join(
                self.replacement or "?" if "\udc80" <= letter <= "\udcff" else letter
                for letter in value.decode("utf-8", "surrogateescape")
            )
        )

    def _small(self, column: TableColumn, array: pa.Array) -> pa.Array:
        try:
            return array.cast(pa.int16())
        except pa.ArrowInvalid as exc:
            raise self._fault(
                column, _INVALID_VALUE, f"Numeric overflow: column {column.name} of type SMALLINT"
            ) from exc


def _as_json(array: pa.Array, session: SessionInfo) -> pa.Array:
    """Values as SUPER holds them: nested ones as objects and arrays, a text as a string (not parsed)."""
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.string())
    values: Sequence[object] = array.to_pylist()
    found = []
    for value in values:
        text = None if value is None else json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
        if isinstance(value, str) and len(value.encode()) > _MOST_SUPER_STRING:
            raise detailed(session, f"String value exceeds the max size of {_MOST_SUPER_STRING} bytes", 1224, "")
        if text is not None and len(text.encode()) > _MOST_SUPER:
            raise detailed(session, f"SUPER value exceeds the max size of {_MOST_SUPER} bytes", 1224, "")
        found.append(text)
    return pa.array(found, pa.string())
