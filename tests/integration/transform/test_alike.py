"""Expressions that Sail would answer otherwise give what Spark gives, or are refused with what to write."""

from __future__ import annotations

from math import inf, nan

import pytest

from cloud_etl.errors import ConfigError

TEXTS = ("'O''Brien'", "'Müller'", "'a b'", "'é٣'")
NUMBERS = ("1", "NULL", "7", "1")
ROWS = tuple(f"({place}, {text}, {NUMBERS[place]}::INTEGER)" for place, text in enumerate(TEXTS))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name = 'O''Brien'", [True, False, False, False]),
        ("name like 'O''%'", [True, False, False, False]),
        ("replace(name, '''', '')", ["OBrien", "Müller", "a b", "é٣"]),
        (r"concat('it\'s ''', 'b''', `i`)", [r"it's 'b'0", "it's 'b'1", "it's 'b'2", "it's 'b'3"]),
        (r"name rlike '^[\\w\']+$'", [True, False, False, False]),
        (r"regexp_replace(name, '[^\\w]', '')", ["OBrien", "Mller", "ab", ""]),
        (r"regexp_replace(name, '\\s|\\D', '_')", ["_______", "______", "___", "__"]),
        ("array_contains(array(1, 2), k)", [True, None, False, True]),
    ],
)
def test_expressions(lab, expression, expected):
    out = lab.write(lab.values("i, name, k", *ROWS), {"derive": {"d": expression}})
    assert [row[1] for row in out.rows("i, d")] == expected


def test_filters_and_queries_know_a_doubled_quote(lab):
    rows = lab.values("i, name, k", *ROWS)
    assert lab.write(rows, {"filter": {"others": "name <> 'O''Brien'"}}).rows("i") == [(1,), (2,), (3,)]
    assert lab.write(rows, {"sql": "select i from input where name = 'O''Brien'"}).rows("i") == [(0,)]


@pytest.mark.parametrize(
    ("values", "lowest", "highest"),
    [
        (("1.5", "'nan'", "'-inf'"), -inf, nan),
        (("'nan'", "-774.96", "2.0"), -774.96, nan),
        (("'-inf'", "'-inf'"), -inf, -inf),
        (("'inf'", "NULL"), inf, inf),
        (("NULL", "NULL"), None, None),
        (("'nan'",), nan, nan),
    ],
)
def test_the_lowest_and_the_highest_double(lab, values, lowest, highest):
    rows = lab.values("k, x", *(f"(1, {value}::DOUBLE)" for value in values))
    metrics = {"rows": "count(*)", "low": "min(x)", "high": "max(x)", "few": "max(x) filter (where k > 1)"}
    folded = lab.write(rows, {"aggregate": {"group_by": ["k"], "metrics": metrics}})
    assert repr(folded.rows("low, high, few")) == repr([(lowest, highest, None)])
    windows = lab.write(rows, {"derive": {"low": "min(x) over (partition by k)", "high": "max(x) over ()"}})
    assert {repr(row) for row in windows.rows("low, high")} == {repr((lowest, highest))}


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("extract(dow from d)", "write dayofweek or weekday"),
        ("date_part('dow', d)", "write dayofweek or weekday"),
        ("timestampdiff(DAY, t, t)", "write datediff"),
        ("datediff(MONTH, d, d)", "write months_between"),
        ("collect_list(k) over (order by k)", "in an aggregate"),
        ("sum(k) over (order by d range between interval 30 days preceding and current row)", "cast(x as timestamp)"),
        ("pmod(cast(k as decimal(12,2)), 3)", "write %"),
        ("xxhash64(cast(k as decimal(12,2)))", "cast it to string before"),
        ("try_to_number(cast(k as string), '99')", "write try_cast"),
    ],
)
def test_what_cannot_be_made_equal_is_refused(lab, expression, said):
    rows = lab.values("k, d, t", "(1, DATE '2024-01-01', TIMESTAMP '2024-01-01 10:00:00')")
    with pytest.raises(ConfigError, match="does not give the same on sail and spark") as raised:
        lab.run(rows, {"derive": {"x": expression}})
    assert said in str(raised.value)


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
def test_unpivot_is_refused(lab):
    query = "select * from input unpivot (v for name in (a, b))"
    with pytest.raises(ConfigError, match="unpivot keeps rows without a value on sail"):
        lab.run(lab.values("a, b", "(1, NULL::INTEGER)"), {"sql": query})


FILE = "text.`/etc/hostname`"


@pytest.mark.parametrize(
    "step",
    [
        {"derive": {"d": f"(select max(value) from {FILE})"}},
        {"filter": {"d": f"exists (select 1 from {FILE})"}},
        {"aggregate": {"group_by": ["k"], "metrics": {"d": f"max(k) + (select count(*) from {FILE})"}}},
        {"sql": f"select * from {FILE}"},
        {"sql": f"with a as (select * from {FILE}) select * from a"},
        {"sql": "select k, (select count(*) from csv.`/etc/hostname`) as n from input"},
        {"sql": "select * from identifier('te' || 'xt.`/etc/hostname`')"},
        {"sql": "select reflect('java.lang.System', 'getProperty', 'user.home') as home from input"},
        {"sql": "select transform(k) using 'cat /etc/hostname' from input"},
    ],
)
def test_nothing_is_read_beside_the_rows(lab, step):
    with pytest.raises(ConfigError, match="is not among the rows of this pipeline, and it was not read"):
        lab.run(lab.values("k", "(1)"), step)


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
def test_an_environment_may_allow_it(lab, tmp_path, monkeypatch):
    (tmp_path / "names.txt").write_text("Ada")
    monkeypatch.setattr("cloud_etl.engines.sql.readable.is_open", lambda session: True)
    out = lab.write(lab.values("k", "(1)"), {"sql": f"select value from text.`{tmp_path}/names.txt`"})
    assert out.rows("value") == [("Ada",)]
