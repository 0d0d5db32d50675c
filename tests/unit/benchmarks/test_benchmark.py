"""The benchmark's own tools; what they measure is in benchmarks/results.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from benchmarks.compare import differences  # noqa: E402 - the repository's root is no package
from benchmarks.make_sales import write_sales  # noqa: E402 - the repository's root is no package

ROWS = 30_000
# The module's file and warehouse are made once: its tests stay in one worker.
pytestmark = pytest.mark.xdist_group("benchmark")


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sales") / "sales.csv"
    write_sales(path, ROWS)
    return path


@pytest.fixture(scope="module")
def warehouse(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rival") / "work"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "rivals" / "duckdb_sql.py"),
        str(sales),
        str(folder),
        "--memory",
        "500MB",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / "warehouse.duckdb"


def test_a_shorter_file_is_the_beginning_of_a_longer_one(sales: Path, tmp_path: Path) -> None:
    write_sales(tmp_path / "short.csv", 1000)
    short = (tmp_path / "short.csv").read_bytes()
    assert sales.read_bytes().startswith(short)


def test_dirt_comes_at_the_stated_rates(sales: Path) -> None:
    content = sales.read_text()
    assert abs(content.count('" loose\n') / ROWS - 0.0005) < 0.0004
    assert abs(content.count("ok,surplus\n") / ROWS - 0.001) < 0.0006
    assert abs(content.count('gate ""B""\nthen leave') / ROWS - 0.01) < 0.002
    assert abs(content.count(",-1,") / ROWS - 0.002) < 0.001


def test_the_rival_accounts_for_every_record(sales: Path, warehouse: Path) -> None:
    with duckdb.connect() as connection:
        rejected = connection.execute(
            f"SELECT count(DISTINCT line_byte_position) FROM '{warehouse.parent / 'rejects.parquet'}'"
        ).fetchall()[0][0]
        connection.execute(f"ATTACH '{warehouse}' AS rival (READ_ONLY)")
        loaded, keys, orders = connection.execute(
            "SELECT count(*), count(DISTINCT order_id), (SELECT sum(orders) FROM rival.analytics.daily_sales) "
            "FROM rival.analytics.sales_fact"
        ).fetchall()[0]
    assert loaded == keys == orders
    assert abs(rejected / ROWS - 0.0075) < 0.002
    # 2% repeat an earlier order, 1% have no product, 0.4% are refused or filtered.
    assert abs((ROWS - rejected - loaded) / ROWS - 0.034) < 0.004


def test_equal_warehouses_show_no_difference(warehouse: Path, tmp_path: Path) -> None:
    shutil.copy(warehouse, tmp_path / "copy.duckdb")
    assert differences(tmp_path / "copy.duckdb", warehouse) == []


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("DELETE FROM analytics.daily_sales WHERE region = 'west'", "daily_sales: row count"),
        ("UPDATE analytics.sales_fact SET quantity = quantity + 1 WHERE region = 'west'", "sales_fact: quantity"),
        ("ALTER TABLE analytics.sales_fact ALTER quantity TYPE BIGINT", "columns"),
    ],
)
def test_a_changed_warehouse_is_noticed(warehouse: Path, tmp_path: Path, change: str, shown: str) -> None:
    shutil.copy(warehouse, tmp_path / "copy.duckdb")
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as connection:
        connection.execute(change)
    assert any(shown in line for line in differences(tmp_path / "copy.duckdb", warehouse))


def test_values_swapped_between_rows_are_noticed(warehouse: Path, tmp_path: Path) -> None:
    shutil.copy(warehouse, tmp_path / "copy.duckdb")
    swap = """
        UPDATE analytics.sales_fact SET quantity = 3 - quantity
        WHERE order_id IN (SELECT min(order_id) FROM analytics.sales_fact WHERE quantity IN (1, 2) GROUP BY quantity)"""
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as connection:
        connection.execute(swap)
    found = differences(tmp_path / "copy.duckdb", warehouse)
    assert [line.split(" differs")[0] for line in found] == ["analytics.sales_fact: whole rows"]


def test_measuring_counts_the_work_of_children_that_outlive_their_parent(tmp_path: Path) -> None:
    # A process of its own: the measurement waits for every child of the process it runs in.
    burn = "import time; end = time.process_time() + 0.4\\nwhile time.process_time() < end: pass"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '''{burn}'''])"
    script = (
        "import sys; from pathlib import Path; from benchmarks.measure import run\n"
        f"found = run([sys.executable, '-c', {parent!r}], Path('.'), Path({str(tmp_path / 'log')!r}))\n"
        "print(found.exit_code, found.cpu_seconds > 0.4)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "True"], done.stderr
