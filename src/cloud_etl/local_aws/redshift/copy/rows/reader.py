"""Text files as columns of the table, wrong records set aside with file, line, column and reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from cloud_etl.local_aws.redshift.copy.journal import LoadError
from cloud_etl.local_aws.redshift.copy.rows import delimited, json_records, streams
from cloud_etl.local_aws.redshift.copy.rows.records import BadRecord, Field, Parsed, Record
from cloud_etl.local_aws.redshift.copy.rows.values import ColumnReader, ValueFault

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.objects import Objects
    from cloud_etl.local_aws.redshift.copy.sources import SourceFile
    from cloud_etl.local_aws.redshift.copy.statement import CopyStatement
    from cloud_etl.local_aws.redshift.copy.table import TableColumn

_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some records of a file: columns of those that can be loaded, and the others."""

    arrays: Sequence[pa.Array]
    errors: Sequence[LoadError]
    lines: int

    @property
    def rows(self) -> int:
        """Records that can be loaded."""
        return len(self.arrays[0]) if self.arrays else 0


class RowReader:
    """Reads the files of one statement."""

    def __init__(self, statement: CopyStatement, columns: Sequence[TableColumn], objects: Objects) -> None:
        """Store what to read; a jsonpaths file is read now.

        Raises:
            RedshiftError: the jsonpaths file is missing or off.
        """
        self._statement = statement
        self._columns = columns
        self._objects = objects
        self._readers = [ColumnReader(column, statement.rows) for column in columns]
        self._json = statement.format == "JSON"
        self._pick = json_records.picker(statement.rows.json, columns, objects) if self._json else None

    def batches(self, source: SourceFile) -> Iterator[RowBatch]:
        """The file, some thousand records at a time."""
        parsed = self._parsed(source)
        while chunk := list(islice(parsed, _BATCH)):
            yield self._batch(chunk, source.address.uri)

    def _parsed(self, source: SourceFile) -> Iterator[Parsed]:
        lines = streams.lines(self._statement, source, self._objects)
        if self._pick is not None:
            return json_records.parse(lines, self._pick)
        return delimited.parse(self._statement, lines)

    def _batch(self, parsed: Sequence[Parsed], uri: str) -> RowBatch:
        errors: list[LoadError] = []
        records: list[Record] = []
        for one in parsed:
            checked = self._fitted(one) if isinstance(one, Record) else one
            if isinstance(checked, BadRecord):
                errors.append(
                    LoadError(uri, checked.line, "", "", "", 0, checked.raw, "", checked.code, checked.reason)
                )
            else:
                records.append(checked)
        arrays, faults = self._read(records)
        for place, (column, fault) in sorted(faults.items()):
            errors.append(self._error(uri, records[place], column, fault))
        if faults:
            good = pa.array([place for place in range(len(records)) if place not in faults], pa.int64())
            arrays = [array.take(good) for array in arrays]
        errors.sort(key=lambda error: error.line)
        return RowBatch(arrays, errors, len(parsed))

    def _read(self, records: Sequence[Record]) -> tuple[list[pa.Array], dict[int, tuple[int, ValueFault]]]:
        """Columns, and per record its first field that is wrong."""
        arrays: list[pa.Array] = []
        faults: dict[int, tuple[int, ValueFault]] = {}
        texts = list(zip(*(record.fields for record in records), strict=True)) or [()] * len(self._readers)
        for place, reader in enumerate(self._readers):
            array, wrong = reader.read(texts[place])
            arrays.append(array)
            for row, fault in wrong.items():
                faults.setdefault(row, (place, fault))
        return arrays, faults

    def _fitted(self, record: Record) -> Parsed:
        """The record with as many fields as the table has columns."""
        wanted, fields = len(self._columns), record.fields
        if len(fields) == wanted + 1 and self._statement.format == "TEXT" and fields[-1] == "":
            # A delimiter may also end the line.
            del fields[-1]
        if len(fields) > wanted:
            return BadRecord(record.line, record.raw, 1202, "Extra column(s) found")
        if len(fields) < wanted:
            if not self._statement.rows.fill_record:
                return BadRecord(record.line, record.raw, 1214, "Delimiter not found")
            fields += [None] * (wanted - len(fields))
        return record

    def _error(self, uri: str, record: Record, place: int, fault: ValueFault) -> LoadError:
        column = self._columns[place]
        value: Field = record.fields[place]
        position = sum(len(field or "") + 1 for field in record.fields[:place])
        return LoadError(
            uri, record.line, column.name, column.type, column.shown_length, position, record.raw, value or "",
            fault.code, fault.reason,
        )  # fmt: skip
