"""One Sail server and one Spark per test process, and a small project: two pipelines, one reads the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.pipeline.project import Project

PROJECT = """
project: shop
environments:
  local:
    store: ./data
    engine: {name: sail, memory: 512MB, cores: 1}
    warehouse: {duckdb: {path: ./data/warehouse.duckdb, memory: 256MB}}
"""
ORDERS = """
pipeline: orders
source: {path: raw-data/orders/, pattern: "*.csv", format: csv}
schema:
  order_id: {type: string, required: true}
  customer_id: {type: integer}
  region: {type: string}
  quantity: {type: integer}
  price: {type: "decimal(10,2)"}
transform:
  - deduplicate: {keys: [order_id]}
  - drop_nulls: [quantity]
  - derive: {amount: "cast(quantity * price as decimal(14,2))"}
  - filter: {real_customers: "customer_id >= 0"}
quality:
  checks:
    - range: {column: quantity, min: 1, max: 100, on_fail: reject}
    - references: {column: customer_id, to: customers, key: customer_id, on_fail: warn}
outputs:
  - name: orders_fact
    partition_by: [region]
    load: {table: analytics.orders_fact, mode: upsert, keys: [order_id]}
  - name: orders_by_region
    aggregate: {group_by: [region], metrics: {orders: "count(*)", revenue: "sum(amount)"}}
    load: {table: analytics.orders_by_region, mode: upsert, keys: [region]}
"""
CUSTOMERS = """
pipeline: customers
source: {path: raw-data/customers/, pattern: "*.jsonl", format: json}
schema:
  customer_id: {type: integer, required: true}
  name: {type: string}
outputs:
  - name: customer_dim
    load: {table: analytics.customer_dim, mode: upsert, keys: [customer_id]}
"""
ORDER_LINES = """order_id,customer_id,region,quantity,price
o1,1,north,2,10.00
o2,2,south,1,5.50
o2,2,south,1,5.50
o3,1,north,,1.00
o4,-1,south,1,1.00
o5,3,north,500,1.00
o6,1,west,x,1.00
o7,1
o8,4,north,3,2.25
"""
CUSTOMER_LINES = (
    '{"customer_id": 1, "name": "Ada"}\n{"customer_id": 2, "name": "Bo"}\n{"customer_id": 3, "name": null}\n'
)


@pytest.fixture(scope="session")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkManager]:
    with SparkManager(EngineSpec(memory="512MB"), 2, tmp_path_factory.mktemp("sail")) as manager:
        yield manager


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkManager]:
    """One JVM for all tests of this process that ask for it: each costs seconds."""
    spec = EngineSpec(name="spark", memory="1GB")
    with SparkManager(spec, 2, tmp_path_factory.mktemp("spark")) as manager:
        # From here on each other engine of this process that wants Spark shares this JVM.
        _ = manager.session
        yield manager


# The tests on Spark stay in one worker, so that there is one JVM.
ON_SPARK = pytest.param("spark", marks=pytest.mark.xdist_group("spark"))


@pytest.fixture(params=["sail", ON_SPARK])
def engine(request: pytest.FixtureRequest) -> str:
    """Name of the engine that a test runs on: each of the two."""
    return str(request.param)


@pytest.fixture
def session(engine: str, request: pytest.FixtureRequest) -> SparkSession:
    """The session of the engine; PySpark's functions build expressions for it."""
    manager: SparkManager = request.getfixturevalue(engine)
    return manager.session


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Root of a project with raw data and nothing loaded.

    Of the nine order records two are rejected by the reader, one is a duplicate, one null-dropped, one filtered,
    one rejected by the gate, and three arrive.
    """
    root = tmp_path / "shop"
    files = {
        "cloud-etl.yaml": PROJECT,
        "pipelines/orders.yaml": ORDERS,
        "pipelines/customers.yaml": CUSTOMERS,
        "data/raw-data/orders/day1.csv": ORDER_LINES,
        "data/raw-data/customers/all.jsonl": CUSTOMER_LINES,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def opened(shop: Path) -> Project:
    """The project in its only environment."""
    return Project.open(shop)


@pytest.fixture
def rows(shop: Path) -> Callable[[str], list[tuple[object, ...]]]:
    """A query on the warehouse; no warehouse gives no rows."""

    def query(sql: str) -> list[tuple[object, ...]]:
        path = shop / "data/warehouse.duckdb"
        if not path.exists():
            return []
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return query
