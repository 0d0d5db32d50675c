"""Random cases for the comparison of engines: a schema, dirty rows, steps, checks and outputs."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.parity.expressions import expression, metrics
from scripts.parity.steps import Step, reference_like, steps
from scripts.parity.values import VALUES, Columns, pick, reference_rows, rows

# What a case expects that has no value: it overflows.
STOPS = "stops"


@dataclass(frozen=True)
class Case:
    """What both engines are given; rows and reference are queries in DuckDB's SQL.

    Attributes:
        expected: the rows that must come out, where Python can tell, by the columns that it tells; or STOPS.
        kinds: types of those columns in DuckDB's words.
    """

    number: int
    columns: Columns
    rows: str
    reference: str
    steps: tuple[Step, ...]
    checks: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]
    expected: Sequence[Mapping[str, Any]] | str | None = None
    kinds: Mapping[str, str] | None = None

    @property
    def pipeline(self) -> dict[str, Any]:
        """As a pipeline file."""
        return {
            "pipeline": "p",
            "source": {"path": "raw", "format": "csv"},
            "schema": {name: {"type": kind} for name, kind in self.columns.items()},
            "transform": list(self.steps),
            "quality": {"checks": list(self.checks)},
            "outputs": list(self.outputs),
        }

    def __str__(self) -> str:
        parts = "\n".join(f"  {json.dumps(part)}" for part in (*self.steps, *self.checks, *self.outputs))
        return f"case {self.number}: {self.columns}\n{parts}\n  {self.rows}\n  reference: {self.reference}"


def make_case(number: int) -> Case:
    """The case of that number, always the same."""
    rng = random.Random(number)  # noqa: S311 - cases must repeat, not surprise
    kinds = ["string", "integer", *rng.sample(sorted(VALUES), rng.randint(2, 5))]
    columns = Columns({f"c{place}": kind for place, kind in enumerate(kinds)})
    if rng.random() < 0.1:
        columns["odd name.x"] = "string"
    raw, reference, after = rows(rng, columns), reference_rows(rng), Columns(columns)
    made = steps(rng, after)
    checks = {_label(check): check for _ in range(rng.randint(0, 3)) for check in [_check(rng, after)]}
    return Case(number, columns, raw, reference, made, tuple(checks.values()), _outputs(rng, after))


def _check(rng: random.Random, after: Columns) -> Mapping[str, Any]:
    name = rng.choice(sorted(after))
    made: list[tuple[str, dict[str, Any]]] = [
        ("not_null", {"columns": [name]}), ("unique", {"columns": [name]}),
        ("row_count", {"min": rng.choice((1, 5)), "on_fail": "warn"}),
    ]  # fmt: skip
    if number := pick(rng, after, "integer", "double", "decimal(12,2)"):
        made.append(("range", {"column": number, "min": 0, "max": 100}))
        made.append(("in_set", {"column": number, "values": [0, 1, 2]}))
    if text := pick(rng, after, "string"):
        made.append(("pattern", {"column": text, "regex": r"[a-z]*\d?"}))
    if moment := pick(rng, after, "date", "timestamp"):
        made.append(("freshness", {"column": moment, "within": "2 days", "on_fail": "warn"}))
    if found := expression(rng, after, "boolean"):
        made.append(("expression", {"that": found[0], "name": "rule"}))
    if pair := reference_like(rng, after):
        made.append(("references", {"column": pair[0], "to": "reference", "key": pair[1]}))
    kind, body = rng.choice(made)
    return {kind: {"on_fail": rng.choice(("reject", "reject", "warn", "fail")), **body}}


def _label(check: Mapping[str, Any]) -> str:
    """What makes two checks the same one: they must not share a name."""
    [(kind, body)] = check.items()
    return f"{kind} {body.get('column') or body.get('columns')}"


def _outputs(rng: random.Random, after: Columns) -> tuple[Mapping[str, Any], ...]:
    whole: dict[str, Any] = {"name": "whole"}
    if rng.random() < 0.3 and (part := pick(rng, after, "string", "boolean", "date", "integer")):
        whole["partition_by"] = [part]
    group = pick(rng, after)
    folded = {"name": "folded", "aggregate": {"group_by": [group] if group else [], "metrics": metrics(rng, after)}}
    return whole, folded
