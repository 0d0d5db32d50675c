"""A transport that writes down what it is sent and answers from a script; no server, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.files import FileRef, batch_id
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.domain.run import LoadRequest, LoadTask, Publication, PublishedFile
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.domain.warehouse import WarehouseSpec
from cloud_etl.errors import UnreachableError
from cloud_etl.load.redshift import Loader
from cloud_etl.load.redshift.retry import Backoff
from cloud_etl.load.redshift.session import Connector
from cloud_etl.load.redshift.transport import Answer, Fault

START = datetime(2024, 5, 1, tzinfo=UTC)
RESOURCES = Resources(2048 * MIB, 2)
ARROW = {
    "string": pa.string(), "json": pa.string(), "integer": pa.int32(), "bigint": pa.int64(), "double": pa.float64(),
    "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


@dataclass
class Script:
    """What the warehouse holds and says.

    Attributes:
        tables: rows of svv_columns by table, without the table's name.
        answers: pattern of a statement -> its row, or a fault, or a list of them for one call after the other.
        then: pattern of a statement -> what it changes.
        unreachable: numbers of sessions before which nobody answers, one try for each entry.
    """

    tables: dict[str, list[tuple]] = field(default_factory=dict)
    answers: dict[str, object] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    opened: int = 0
    unreachable: list[int] = field(default_factory=list)
    then: dict[str, Callable[[], None]] = field(default_factory=dict)

    def answer(self, sql: str, values: Sequence[object]) -> Answer | Fault:
        for pattern, change in self.then.items():
            if re.search(pattern, sql):
                change()
        for pattern, answer in self.answers.items():
            if re.search(pattern, sql):
                one = answer.pop(0) if isinstance(answer, list) and answer else answer
                if one == [] or one is None:
                    break
                return one if isinstance(one, Answer | Fault) else Answer([tuple(one)], 1)
        if "svv_columns" in sql:
            return Answer(self.tables.get(".".join(map(str, values)).lower(), []))
        if "pg_namespace" in sql or "count(*)" in sql.split("FROM")[0]:
            return Answer([(0,)])
        return Answer([], 0)


class ScriptedTransport:
    """Sends to a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        script.opened += 1

    def run(self, sql: str, values: Sequence[object] = ()) -> Answer | Fault:
        self._script.sent.append(sql)
        return self._script.answer(sql, values)

    def close(self) -> None:
        self._script.sent.append("(close)")


@pytest.fixture
def script() -> Script:
    """A warehouse with a ledger and nothing else."""
    books = {"cloud_etl.etl_load_ledger", "cloud_etl.etl_loaded_files", "cloud_etl.etl_fences"}
    return Script({name: [("pipeline", "character varying", "NO", None, 4096, None, None)] for name in books})


@pytest.fixture
def new_loader(script: Script) -> Callable[..., Loader]:
    def make(*, retries: int = 3, **settings: object) -> Loader:
        redshift = {"database": "dev", "host": "h", "user": "u", "auth": {"password": "p"}, **settings}
        spec = WarehouseSpec.model_validate({"redshift": redshift})

        class Scripted(Connector):
            def transport(self) -> ScriptedTransport:
                if script.opened in script.unreachable:
                    script.unreachable.remove(script.opened)
                    raise UnreachableError("Redshift at h:5439 cannot be reached: Connection refused.")
                return ScriptedTransport(script)

        return Loader(spec, Path(), backoff=Backoff(retries, 0.0, 0.0), connector=Scripted)

    return make


def schema(**columns: str) -> Schema:
    return Schema(tuple(Column(name, ColumnType.parse(text)) for name, text in columns.items()))


def arrow_type(type_: ColumnType) -> pa.DataType:
    return pa.decimal128(type_.precision, type_.scale) if type_.kind == "decimal" else ARROW[type_.kind]


def publish(folder: Path, columns: Schema, *parts: Sequence[Sequence[object]], output: str = "out") -> Publication:
    """One file for each part, as the publisher leaves them, with a manifest that is said to be in S3."""
    fields = [pa.field(column.name, arrow_type(column.type)) for column in columns.columns]
    paths = []
    for number, rows in enumerate(parts):
        arrays = [pa.array([row[i] for row in rows], one.type) for i, one in enumerate(fields)]
        arrays.append(pa.array(range(len(rows)), pa.int64()))
        table = pa.Table.from_arrays(arrays, schema=pa.schema([*fields, pa.field("_row_id", pa.int64())]))
        path = folder / f"{output}-{number}.parquet"
        pq.write_table(table, path)
        paths.append(path)
    files = tuple(
        PublishedFile(f"s3://lake/processed-data/{path.name}", path.stat().st_size, len(rows))
        for path, rows in zip(paths, parts, strict=True)
    )
    uri = f"s3://lake/processed-data/{output}_20240501/run_1/manifest.json"
    return Publication(output, uri, columns, files, sum(map(len, parts)), False, tuple(paths))


def request_of(*tasks: LoadTask) -> LoadRequest:
    ref = FileRef("s3://lake/raw/1.csv", "raw/1.csv", 10, "etag-1", None, START)
    return LoadRequest("run-1", "sales", batch_id([ref]), (ref,), tasks, START, RESOURCES)


@pytest.fixture
def shop(tmp_path: Path) -> SimpleNamespace:
    """Makes publications and requests."""

    def task(columns: Schema, *parts: Sequence[Sequence[object]], output: str = "out", **load: object) -> LoadTask:
        spec = LoadSpec.model_validate({"table": "shop.sales", **load})
        return LoadTask(publish(tmp_path, columns, *parts, output=output), spec)

    return SimpleNamespace(task=task, request=request_of, schema=schema)
