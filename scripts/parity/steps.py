"""Steps; each changes the columns that those after it find."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from scripts.parity.expressions import expression, metrics
from scripts.parity.values import NUMBERS, REFERENCE, Columns, pick, quoted

Step = Mapping[str, Any]

# What python steps call.
MODULE = """
from pyspark.sql import Window
from pyspark.sql import functions as F


def tidy(frame):
    texts = [name for name, kind in frame.dtypes if kind == "string"]
    return frame.withColumns({name: F.trim(F.col(f"`{name}`")) for name in texts}) if texts else frame


def known(frame):
    return frame.where(F.col("_row_id").isNotNull()).withColumn("known", F.lit(True))


def numbered(frame):
    return frame.withColumn("place", F.row_number().over(Window.partitionBy(F.col("_row_id") % 3).orderBy("_row_id")))


def narrow(frame):
    return frame.select(*(F.col(f"`{name}`") for name in frame.columns)).distinct()
"""


def _deduplicate(rng: random.Random, columns: Columns) -> Step:
    keys = rng.sample(sorted(columns), rng.randint(1, min(2, len(columns))))
    step: dict[str, Any] = {"keys": keys}
    if rng.random() < 0.6:
        step["order_by"] = [f"{quoted(rng.choice(sorted(columns)))} {rng.choice(['asc', 'desc'])}"]
    return {"deduplicate": step}


def _drop_nulls(rng: random.Random, columns: Columns) -> Step:
    return {"drop_nulls": rng.sample(sorted(columns), 1)}


def _fill_nulls(rng: random.Random, columns: Columns) -> Step | None:
    values = {"integer": 5, "string": "none", "boolean": True, "decimal(12,2)": 1.25, "double": 0.5}
    name = pick(rng, columns, *values)
    return {"fill_nulls": {name: values[columns[name]]}} if name else None


_TARGETS: Mapping[str, tuple[str, ...]] = {
    "string": ("integer", "bigint", "decimal(12,2)", "date", "timestamp", "boolean", "double"),
    "integer": ("bigint", "string", "decimal(12,2)", "double"),
    "bigint": ("integer", "string", "decimal(12,2)"),
    "double": ("integer", "bigint", "decimal(12,2)"),
    "decimal(12,2)": ("integer", "double", "string", "decimal(38,10)"),
    "decimal(38,10)": ("decimal(12,2)", "bigint", "string"),
    "boolean": ("string", "integer"),
    "date": ("timestamp", "string"),
    "timestamp": ("date", "string"),
}


def _cast(rng: random.Random, columns: Columns) -> Step | None:
    name = pick(rng, columns, *_TARGETS)
    if name is None:
        return None
    columns[name] = rng.choice(_TARGETS[columns[name]])
    return {"cast": {name: columns[name]}}


def _derive(rng: random.Random, columns: Columns) -> Step | None:
    found = expression(rng, columns)
    if found is None:
        return None
    name = f"d{rng.randint(0, 99_999)}"
    text, columns[name] = found
    return {"derive": {name: text}}


def _filter(rng: random.Random, columns: Columns) -> Step | None:
    found = expression(rng, columns, "boolean")
    return {"filter": {f"rule{rng.randint(0, 99)}": found[0]}} if found else None


def _date_parts(rng: random.Random, columns: Columns) -> Step | None:
    name = pick(rng, columns, "date", "timestamp")
    if name is None:
        return None
    parts = ["date", "year", "quarter", "month", "week", "day", "weekday", "day_of_year", "hour", "minute", "second"]
    if columns[name] == "date":
        parts = parts[:-3]
    return {"date_parts": {"of": name, "parts": rng.sample(parts, 3)}}


def _rename(rng: random.Random, columns: Columns) -> Step:
    old = rng.sample(sorted(columns), min(2, len(columns)))
    new = old[::-1] if rng.random() < 0.5 else [f"r{rng.randint(0, 99_999)}" for _ in old]
    names = dict(zip(old, new, strict=True))
    _keep(columns, {names.get(name, name): kind for name, kind in columns.items()})
    return {"rename": names}


def _select(rng: random.Random, columns: Columns) -> Step:
    names = rng.sample(sorted(columns), max(1, len(columns) - 1))
    _keep(columns, {name: columns[name] for name in names})
    return {"select": names}


def _drop(rng: random.Random, columns: Columns) -> Step | None:
    if len(columns) < 3:
        return None
    name = rng.choice(sorted(columns))
    del columns[name]
    return {"drop": [name]}


def _join(rng: random.Random, columns: Columns) -> Step | None:
    name = pick(rng, columns)
    if name is None:
        return None
    key = _like(rng, columns[name])
    added = rng.sample([other for other in REFERENCE if other != key], 2)
    prefix = f"j{rng.randint(0, 99_999)}_"
    columns.update({prefix + other: REFERENCE[other] for other in added})
    fan_out = rng.choice(("fail", "allow"))
    columns.row_ids_unique &= fan_out == "fail"
    how = rng.choice(("left", "inner"))
    return {
        "join": {
            "with": "reference", "on": {name: key}, "columns": added, "prefix": prefix, "how": how,
            "on_fan_out": fan_out,
        }
    }  # fmt: skip


def _like(rng: random.Random, kind: str) -> str:
    """A column of the reference that may be compared with that type."""
    kinds = NUMBERS if kind in NUMBERS and rng.random() < 0.3 else (kind,)
    return str(pick(rng, REFERENCE, *kinds))


def _aggregate(rng: random.Random, columns: Columns) -> Step:
    groups = rng.sample(sorted(columns), min(rng.randint(0, 2), len(columns)))
    step = {"group_by": groups, "metrics": metrics(rng, columns)}
    _keep(columns, {**{name: columns[name] for name in groups}, **dict.fromkeys(step["metrics"], ""), "n": "bigint"})
    return {"aggregate": step}


def _python(rng: random.Random, columns: Columns) -> Step:
    functions = ["tidy", "known", "narrow", *(["numbered"] if columns.row_ids_unique else [])]
    return {"python": f"parity_steps:{rng.choice(functions)}"}


def _sql(rng: random.Random, columns: Columns) -> Step:
    new = f"n{rng.randint(0, 99_999)}"
    # Windows over doubles tell -0.0 and 0.0 apart on Sail: docs/reference/engines.md.
    group = pick(rng, columns, *(kind for kind in columns.values() if kind not in ("double", ""))) or "_row_id"
    other = rng.choice(sorted(columns))
    window = f"(partition by {quoted(group)} order by _row_id)"
    found = expression(rng, columns, "boolean")
    queries = [
        f"select *, count(*) over (partition by {quoted(group)}) as {new} from input",
        f"select * from input where {found[0] if found else 'true'}",
        f"select *, row_number() over {window} as {new} from input",
        f"select *, lag({quoted(other)}) over {window} as {new} from input",
        f"with few as (select *, row_number() over {window} as {new} from input) select * from few where {new} < 3",
    ]
    return {"sql": rng.choice(queries if columns.row_ids_unique else queries[:2])}


def _keep(columns: Columns, those: Columns) -> None:
    columns.clear()
    columns.update(those)


_STEPS: tuple[Callable[[random.Random, Columns], Step | None], ...] = (
    _deduplicate, _deduplicate, _drop_nulls, _fill_nulls, _cast, _cast, _derive, _derive, _derive, _filter, _date_parts,
    _rename, _select, _drop, _join, _join, _python, _sql,
)  # fmt: skip


def steps(rng: random.Random, columns: Columns) -> tuple[Step, ...]:
    """One to six steps, now and then an aggregate as the last; the columns are those after them."""
    made = [rng.choice(_STEPS)(rng, columns) for _ in range(rng.randint(1, 6))]
    if rng.random() < 0.1:
        made.append(_aggregate(rng, columns))
    return tuple(step for step in made if step is not None)


def reference_like(rng: random.Random, columns: Columns) -> tuple[str, str] | None:
    """A column and one of the reference that it may be looked up in."""
    name = pick(rng, columns)
    return (name, _like(rng, columns[name])) if name else None
