"""Steps that may change the number of rows: counted before and after, on files."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from cloud_etl.domain.spec import AggregateSpec
from cloud_etl.errors import ConfigError, StepFailedError

ROWS = (
    "SELECT * FROM (VALUES ('n', 1.50::DECIMAL(14,2), 1), ('n', 2.50, NULL), ('s', 4.00, 3), (NULL, 1.00, 4)) "
    "t(region, amount, q)"
)


def test_sql_sees_the_accepted_rows_alone_and_rows_before_and_after_are_known(lab):
    out = lab.write(
        ROWS,
        {"drop_nulls": ["q"]},
        {"sql": "with big as (select * from input where amount > 1) select * from big -- the end"},
        {"sql": "select region, _row_id from input union all select region, _row_id from input;"},
        {"filter": {"north": "region = 'n'"}},
    )
    assert out.barriers == [("sql", 3, 2), ("sql", 2, 4)]
    assert out.dropped == {"drop_nulls.q": 1, "north": 2}
    assert out.rows("region, _row_id") == [("n", 1), ("n", 1)]
    assert out.accounted == 4
    assert [written.output for written in out.transformed.earlier] == [3, 2]


def test_a_step_that_lets_go_of_line_numbers_leaves_them_unknown(lab):
    out = lab.write(ROWS, {"aggregate": {"group_by": ["region"], "metrics": {"total": "sum(amount)", "n": "count(*)"}}})
    assert out.rows("region, total, n, _row_id") == [
        ("n", Decimal("4.00"), 2, None), ("s", Decimal("4.00"), 1, None), (None, Decimal("1.00"), 1, None)
    ]  # fmt: skip
    assert out.barriers == [("aggregate", 4, 3)]


def test_nothing_left_before_a_barrier_gives_an_empty_frame_with_the_columns(lab):
    out = lab.write(ROWS, {"filter": {"none": "false"}}, {"sql": "select * from input"}, {"derive": {"x": "q + 1"}})
    assert out.barriers == [("sql", 0, 0)]
    assert out.written.output == 0
    assert out.accounted == 4


def test_python_functions_of_the_project_change_the_frame(lab):
    (lab.folder / "clean_orders.py").write_text(
        "from pyspark.sql import functions as F\n"
        "def double(frame):\n    return frame.withColumn('q', F.col('q') * 2).where('q is not null')\n"
    )
    out = lab.write(ROWS, {"python": "clean_orders:double"})
    assert out.rows("q, _row_id") == [(2, 1), (6, 3), (8, 4)]
    assert out.barriers == [("python", 4, 3)]


def test_two_projects_may_have_modules_of_one_name(lab, tmp_path):
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "twin_steps.py").write_text(f"def f(frame):\n    return frame.selectExpr(\"'{name}' as who\")\n")
        own = type(lab)(lab.session, folder)
        found += own.write(ROWS, {"python": "twin_steps:f"}).rows("DISTINCT who")
    assert found == [("one",), ("two",)]


def test_a_function_that_was_edited_since_the_last_run_is_taken_as_it_is_now(lab):
    found = []
    for word in ("old", "newer"):
        (lab.folder / "edited_step.py").write_text(
            f"def f(frame):\n    return frame.selectExpr(\"'{word}' as word\")\n"
        )
        found += lab.write(ROWS, {"python": "edited_step:f"}).rows("DISTINCT word")
    assert found == [("old",), ("newer",)]


def test_an_installed_module_is_not_imported_a_second_time(lab):
    import json.decoder

    with pytest.raises(StepFailedError, match=r"json\.decoder:scanstring raised TypeError"):
        lab.run(ROWS, {"python": "json.decoder:scanstring"})
    assert sys.modules["json.decoder"] is json.decoder


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            "    return frame.select('amuont')",
            ConfigError,
            "broken_0:f: there is no column 'amuont'; did you mean 'amount'",
        ),
        ("    raise ValueError('row 42: secret')", StepFailedError, r"raised ValueError at broken_0\.py:2 in f: raise"),
        ("    return 7", ConfigError, "gave int, not a DataFrame"),
        ("    return frame.selectExpr('1 as _fate')", ConfigError, "kept for cloud-etl"),
    ],
)
def test_what_goes_wrong_in_a_function_is_told_by_its_line(lab, body, error, message):
    (lab.folder / "broken_0.py").write_text(f"def f(frame):\n{body}\n")
    with pytest.raises(error, match=message) as raised:
        lab.run(ROWS, {"python": "broken_0:f"})
    assert raised.value.__cause__ is None


def test_a_function_that_fails_on_a_row_is_told_by_its_line(lab):
    (lab.folder / "udf_fails.py").write_text(
        "from pyspark.sql import functions as F\n"
        "def parse(value):\n    raise ValueError(f'secret {value}')\n"
        "def f(frame):\n    return frame.withColumn('x', F.udf(parse, 'int')('amount'))\n"
    )
    with pytest.raises(StepFailedError) as raised:
        lab.write(ROWS, {"python": "udf_fails:f"})
    assert "ValueError" in str(raised.value)
    assert "in parse" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_module_or_function_that_is_not_there_is_a_configuration_error(lab):
    (lab.folder / "has_clean.py").write_text("def clean(frame):\n    return frame\n")
    with pytest.raises(ConfigError, match="cannot be imported: ModuleNotFoundError"):
        lab.run(ROWS, {"python": "no_such_module:f"})
    with pytest.raises(ConfigError, match="no function 'claen'; did you mean 'clean'"):
        lab.run(ROWS, {"python": "has_clean:claen"})


def test_an_aggregated_output_accounts_for_every_row_in_its_groups(lab):
    accepted = lab.write(ROWS, partition_by=("region",)).written.accepted
    spec = AggregateSpec(group_by=("region",), metrics={"total": "sum(amount)", "mean": "avg(q)"})
    folder = lab.folder / "aggregate"
    written = lab.transformer().aggregate(spec, [file.path for file in accepted], folder)
    rows = lab.session.read.parquet(*(str(file.path) for file in written.files))
    assert rows.dtypes == [
        ("region", "string"), ("total", "decimal(24,2)"), ("mean", "double"), ("_rows_folded", "bigint")
    ]  # fmt: skip
    assert sorted(row["_rows_folded"] for row in rows.collect()) == [1, 1, 2]
    assert written.output == written.rows == 3


def test_metrics_stop_at_an_overflow(lab):
    accepted = lab.write("SELECT 100000 AS a").written.accepted
    spec = AggregateSpec(group_by=(), metrics={"total": "sum(a * a)"})
    with pytest.raises(StepFailedError, match="cannot hold"):
        lab.transformer().aggregate(spec, [file.path for file in accepted], lab.folder / "agg")
