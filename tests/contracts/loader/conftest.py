"""One bench per warehouse: publishes Parquet, loads it, and looks at the tables by a way of its own.

A new warehouse adds a class like DuckDbWarehouse to `new_bench`; every test here then runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from cloud_etl.domain.files import FileRef, batch_id
from cloud_etl.domain.ledger import TableCount
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.domain.run import LoadRequest, LoadResult, LoadTask, Publication, PublishedFile
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.domain.warehouse import DuckDbSpec, WarehouseSpec
from cloud_etl.load.port import Loader

START = datetime(2024, 5, 1, tzinfo=UTC)
RESOURCES = Resources(2048 * MIB, 2)
ARROW = {
    "string": pa.string(), "json": pa.string(), "integer": pa.int32(), "bigint": pa.int64(), "double": pa.float64(),
    "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


class DuckDbWarehouse:
    """A DuckDB file in a folder."""

    name = "duckdb"
    widens = True
    # A type of the warehouse that no contract has.
    foreign_type = "UUID"
    # Surrogates are no text, NUL is refused by every warehouse.
    names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "warehouse.duckdb"

    def maker(self) -> Callable[[], Loader]:
        """What makes a loader, also in a child process that gets it pickled."""
        from cloud_etl.load.duckdb import Loader as DuckDbLoader

        spec = WarehouseSpec(duckdb=DuckDbSpec(path="warehouse.duckdb", memory="256MB"))
        return partial(DuckDbLoader, spec, self.folder, threads=2)

    def loader(self) -> Loader:
        """A loader that is not connected."""
        return self.maker()()

    def prepared(self, task: LoadTask) -> LoadTask:
        """DuckDB reads the files where they are."""
        return task

    def stored(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names of columns as the warehouse keeps them."""
        return tuple(names)

    @property
    def is_untouched(self) -> bool:
        return not self.path.exists()

    def rows(self, sql: str) -> list[tuple]:
        import duckdb

        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, *statements: str) -> None:
        import duckdb

        with duckdb.connect(str(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)


def schema(**columns: str) -> Schema:
    return Schema(tuple(Column(name, ColumnType.parse(text)) for name, text in columns.items()))


def arrow_type(type_: ColumnType) -> pa.DataType:
    return pa.decimal128(type_.precision, type_.scale) if type_.kind == "decimal" else ARROW[type_.kind]


@dataclass
class Bench:
    """Publishes and loads; each load is a batch of its own unless told otherwise."""

    warehouse: DuckDbWarehouse
    folder: Path
    batches: int = 0
    seen: list[tuple[TableCount, ...]] = field(default_factory=list)

    def publish(self, columns: Schema, rows: Sequence[Sequence[object]], *, files: int = 1, output: str = "out"):
        """Rows as Parquet files with a lineage column, in the order of the schema."""
        self.batches += 1
        fields = [pa.field(column.name, arrow_type(column.type)) for column in columns.columns]
        paths, published = [], []
        for number in range(files if rows else 0):
            part = rows[number::files]
            arrays = [pa.array([row[i] for row in part], one.type) for i, one in enumerate(fields)]
            arrays.append(pa.array(range(len(part)), pa.int64()))
            table = pa.Table.from_arrays(arrays, schema=pa.schema([*fields, pa.field("_row_id", pa.int64())]))
            # The folder's name must not become a value: hive readers would take it for a column.
            path = self.folder / f"b{self.batches}" / "region=__HIVE_DEFAULT_PARTITION__" / f"part[{number}].parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
            paths.append(path)
            published.append(PublishedFile(f"file://{path}", path.stat().st_size, len(part)))
        uri = f"memory:///{output}/{self.batches}/manifest.json"
        return Publication(output, uri, columns, tuple(published), len(rows), False, tuple(paths))

    def request(self, *tasks: LoadTask, batch: int | None = None, pipeline: str = "sales", run: str = "run-1"):
        number = self.batches if batch is None else batch
        ref = FileRef(f"file:///raw/{number}.csv", f"raw/{number}.csv", 10, f"etag-{number}", None, START)
        at = START + timedelta(days=number)
        placed = tuple(self.warehouse.prepared(task) for task in tasks)
        return LoadRequest(run, pipeline, batch_id([ref]), (ref,), placed, at, RESOURCES)

    def task(
        self, spec: LoadSpec, columns: Schema, rows: Sequence[Sequence[object]], evolved: tuple[str, ...] | None = None
    ) -> LoadTask:
        """A publication and its table."""
        return LoadTask(self.publish(columns, rows), spec, evolved=evolved)

    def schema(self, **columns: str) -> Schema:
        return schema(**columns)

    def load(
        self, request: LoadRequest, before_commit: Callable[[tuple[TableCount, ...]], None] | None = None
    ) -> LoadResult:
        with self.warehouse.loader() as loader:
            return loader.load(request, before_commit or self.seen.append)

    def load_rows(self, spec: LoadSpec, columns: Schema, rows: Sequence[Sequence[object]], **options: int):
        """Publish and load in one go; gives the count of the one table."""
        request = self.request(LoadTask(self.publish(columns, rows, **options), spec))
        return self.load(request).tables[0]

    def rows(self, sql: str) -> list[tuple]:
        return self.warehouse.rows(sql)


@pytest.fixture(params=["duckdb", pytest.param("redshift", marks=pytest.mark.integration)])
def new_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Bench]:
    """Makes benches with empty warehouses, for properties that need one per example."""
    made = iter(range(10_000))

    def make() -> Bench:
        folder = tmp_path / f"{next(made)}"
        folder.mkdir()
        if request.param == "duckdb":
            return Bench(DuckDbWarehouse(folder), folder / "store")
        return Bench(request.getfixturevalue("new_redshift")(), folder / "store")

    return make


@pytest.fixture
def redshift_bench(new_redshift: Callable[[], DuckDbWarehouse], tmp_path: Path) -> Bench:
    """A bench on Redshift alone, for what only a server has."""
    return Bench(new_redshift(), tmp_path / "store")


@pytest.fixture
def bench(new_bench: Callable[[], Bench]) -> Bench:
    return new_bench()


@pytest.fixture
def make_schema() -> Callable[..., Schema]:
    return schema
