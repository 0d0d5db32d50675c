"""What the engines answer differently and no other form makes equal: refused on Sail, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.sql.spark_sql import sql_of

if TYPE_CHECKING:
    from cloud_etl.engines.sql.integers import TypeOf

# Sail gives other values, or none where Spark gives some.
_FUNCTIONS = {
    "hypot": "write sqrt(a * a + b * b)", "rint": "write round(x), which takes .5 away from zero",
    "conv": "use hex or bin", "to_json": "cast to text before", "to_csv": "write concat_ws", "sentences": "write split",
    "bround": "write round", "factorial": "write it as a join", "width_bucket": "write case when",
    "json_array_length": "use get_json_object", "timestamp_seconds": "write timestamp_micros(x * 1000000)",
    "timestamp_millis": "write timestamp_micros(x * 1000)",
    "make_interval": "write INTERVAL n UNIT", "make_dt_interval": "write INTERVAL n UNIT",
    "percentile_approx": "use percentile", "approx_percentile": "use percentile", "try_to_number": "write try_cast",
    "quote": "write concat", "is_valid_utf8": "the reader has seen to it",
}  # fmt: skip
_WEEK_DAYS = ("dow", "dayofweek", "dow_iso", "dayofweek_iso")
_BY_CALENDAR = ("month", "quarter", "year")
_LISTS = ("collect_list", "array_agg")


def refused_form(node: exp.Expr, type_of: TypeOf) -> tuple[str, str] | None:
    """What is not the same on both engines, and what to write; None where it is."""
    if isinstance(node, exp.WindowSpec):
        return _frame(node, type_of)
    if isinstance(node, exp.Extract):
        return _part_of_week(node.this.name)
    if not isinstance(node, exp.Anonymous):
        return None
    name, arguments = node.name.lower(), list(node.expressions)
    if name in _FUNCTIONS:
        return name, _FUNCTIONS[name]
    if name in _LISTS and isinstance(node.find_ancestor(exp.Window, exp.Select), exp.Window):
        return f"{name} over a window", "use it in an aggregate, and join"
    first = sql_of(arguments[0]).lower().strip("'") if arguments else ""
    return _unit(name, first, len(arguments)) or _of_decimals(name, arguments, type_of)


def _unit(name: str, first: str, count: int) -> tuple[str, str] | None:
    """Parts and spans of time."""
    if name in ("date_part", "datepart"):
        return _part_of_week(first)
    if name in ("datediff", "date_diff") and count == 3 and first in _BY_CALENDAR:
        return f"{name} by {first}", "write months_between"
    if name == "timestampdiff" and first == "day":
        return "timestampdiff by day", "write datediff(later, earlier), or timestampdiff(HOUR, ...) div 24"
    return None


def _of_decimals(name: str, arguments: list[exp.Expr], type_of: TypeOf) -> tuple[str, str] | None:
    advice = {"hash": "cast it to string before", "xxhash64": "cast it to string before", "pmod": "write %"}.get(name)
    if advice is None or not any((type_of(one) or "").startswith("decimal") for one in arguments):
        return None
    return f"{name} of a decimal", advice


def _part_of_week(part: str) -> tuple[str, str] | None:
    return (f"extract({part})", "write dayofweek or weekday") if part.lower() in _WEEK_DAYS else None


def _frame(node: exp.WindowSpec, type_of: TypeOf) -> tuple[str, str] | None:
    """A frame of days around a date, which Sail takes for another."""
    bounds = (node.args.get("start"), node.args.get("end"))
    if str(node.args.get("kind")).upper() != "RANGE" or not any(isinstance(one, exp.Expr) for one in bounds):
        return None
    order = node.parent.args.get("order") if node.parent is not None else None
    if order is None or all(type_of(one.this) != "date" for one in order.expressions):
        return None
    return "a window with range between days around a date", "order by cast(x as timestamp), with INTERVAL n DAYS"
