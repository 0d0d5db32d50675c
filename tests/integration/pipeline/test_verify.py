"""Verifying a run with a second engine: the same tables pass, others stop the run before anything is published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scripts.parity import comparison
from scripts.parity.cases import make_case

from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.domain.run import Batch
from cloud_etl.domain.schema import Schema
from cloud_etl.engines.marked_frame import Fate, Written, WrittenFile
from cloud_etl.errors import EnginesDifferError, UsageError
from cloud_etl.pipeline.verify import Made, compare

SMALL = Resources(512 * MIB, 1)


@pytest.mark.xdist_group("spark")
def test_a_run_on_spark_verified_with_sail_loads_what_it_would_without(opened, rows, spark):
    report = opened.with_engine("spark").verified_with("sail").run()
    assert [one.outcome for one in report.pipelines] == ["loaded", "loaded"]
    assert rows("SELECT order_id, amount FROM analytics.orders_fact ORDER BY 1") != []
    assert report.exit_code == 0


@pytest.mark.xdist_group("spark")
def test_a_difference_ends_the_run_with_5_and_nothing_is_published_or_loaded(shop, opened, rows, spark):
    path = shop / "pipelines/orders.yaml"
    text = path.read_text().replace("  - drop_nulls: [quantity]", "  - drop_nulls: [quantity]\n  - python: drift:f")
    path.write_text(text)
    (shop / "drift.py").write_text(
        "from pyspark.sql import functions as F\n"
        "def f(frame):\n"
        "    more = 1 if 'connect' in type(frame).__module__ else 0\n"
        "    return frame.withColumn('price', (F.col('price') + more).cast('decimal(10,2)'))\n"
    )
    report = opened.open(shop).verified_with("spark").run(["customers", "orders"])
    one = report.pipelines[-1]
    assert (one.pipeline, one.outcome, report.exit_code) == ("orders", "failed", 5)
    assert "sail and spark gave different tables" in (one.error or "")
    assert one.publications == ()
    assert not (shop / "data/processed-data").exists() or not list((shop / "data/processed-data").glob("orders*"))
    assert rows("SELECT * FROM information_schema.tables WHERE table_name = 'orders_fact'") == []


def test_verifying_with_the_same_engine_or_with_none_is_a_usage_error(opened):
    with pytest.raises(UsageError, match="on sail already"):
        opened.verified_with("sail")
    with pytest.raises(UsageError, match="did you mean 'spark'"):
        opened.verified_with("sparc")


def written(lab_file: Path, fate: Fate | None = None, rows: int = 2) -> Written:
    return Written((WrittenFile(lab_file, rows, fate, {}),), ())


def parquet(path: Path, sql: str) -> Path:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1 AS a, 'x' AS b, 7::BIGINT AS _row_id UNION ALL SELECT 2, 'y', 8", None),
        ("SELECT 2 AS a, 'y' AS b, 8::BIGINT AS _row_id UNION ALL SELECT 1, 'x', 7", None),
        ("SELECT 1 AS a, 'secret' AS b, 7::BIGINT AS _row_id UNION ALL SELECT 2, 'y', 8",
         r"1 rows are in the first alone, 1 in the second alone; in column b \(1\); first in raw/a.csv line 7"),
        ("SELECT 1 AS a, NULL AS b, 7::BIGINT AS _row_id UNION ALL SELECT 2, 'y', 8", r"in column b \(1\)"),
        ("SELECT 1::BIGINT AS a, 'x' AS b, 7::BIGINT AS _row_id UNION ALL SELECT 2, 'y', 8", "a INTEGER/BIGINT"),
        ("SELECT 'x' AS b, 1 AS a, 7::BIGINT AS _row_id UNION ALL SELECT 'y', 2, 8", "their order"),
        ("SELECT 1 AS a, 'x' AS b, 7::BIGINT AS _row_id UNION ALL SELECT 1, 'x', 7", "1 rows are in the first alone"),
    ],
)  # fmt: skip
def test_tables_are_compared_by_types_values_and_nulls_whatever_their_order(tmp_path, batch, sql, said):
    left = parquet(tmp_path / "l.parquet", "SELECT 1 AS a, 'x' AS b, 7::BIGINT AS _row_id UNION ALL SELECT 2, 'y', 8")
    one = Made("sail", (written(left),), {})
    two = replace(one, engine="spark", frames=(written(parquet(tmp_path / "r.parquet", sql)),))
    if said is None:
        compare(one, two, batch, SMALL)
        return
    with pytest.raises(EnginesDifferError, match=said) as raised:
        compare(one, two, batch, SMALL)
    assert "secret" not in str(raised.value)


def test_a_row_taken_out_by_one_engine_alone_is_a_difference(tmp_path, batch):
    file = parquet(tmp_path / "l.parquet", "SELECT 1 AS a, 7::BIGINT AS _row_id")
    one = Made("sail", (written(file, rows=1),), {})
    two = Made("spark", (written(file, Fate("filter", "filtered", "rule"), rows=1),), {})
    with pytest.raises(EnginesDifferError, match=r"the rows: 1 rows against 0\n.*filtered \(rule\): 0 rows against 1"):
        compare(one, two, batch, SMALL)


def test_zero_and_minus_zero_are_one_value(tmp_path, batch):
    sides = (f"SELECT '{sign}0.0'::DOUBLE AS \"a b\", 7::BIGINT AS _row_id" for sign in ("", "-"))
    one, two = (
        Made(name, (written(parquet(tmp_path / f"{name}.parquet", sql), rows=1),), {})
        for name, sql in zip(("sail", "spark"), sides, strict=True)
    )
    compare(one, two, batch, SMALL)


@pytest.fixture
def batch() -> Batch:
    from datetime import UTC, datetime

    from cloud_etl.domain.files import FileRef

    ref = FileRef("file:///raw/a.csv", "raw/a.csv", 1, "e", None, datetime(2024, 5, 10, tzinfo=UTC))
    return Batch("b", (ref,), (), Schema(()), (), 0, (), 0)


@pytest.mark.xdist_group("spark")
@pytest.mark.parametrize("number", range(20))
def test_both_engines_give_the_same_tables_for_generated_cases(number, sail, spark, tmp_path):
    case = make_case(number)
    answer = comparison.compare(case, (sail, spark), tmp_path)
    assert answer.difference is None, f"{answer.difference}\n{case}"
