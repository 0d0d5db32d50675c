"""The reference page of the checks, made from their models."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cloud_etl.backends import register_families
from cloud_etl.domain.spec import CheckSpec
from cloud_etl.quality.port import BatchCheck, RowCheck
from cloud_etl.quality.score import FORMULA

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_INTRODUCTION = """\
# Checks

Made from the models by `cloud_etl.quality.reference.checks_page`; a test compares the two.

A check stands under `quality.checks` of a pipeline file, after all steps of `transform`:

```yaml
quality:
  checks:
    - not_null: {columns: [customer_id]}
    - range: {column: quantity, min: 1, max: 1000, on_fail: warn}
    - row_count: {min: 1}
  fail_when: {score_below: 95, rejected_above: "5%"}
```

| on_fail | what happens |
|---|---|
| `reject` | the row goes to quarantine with the reason `quality.<name of the check>`; all others go on |
| `warn` | the run goes on; the report tells how many rows fail |
| `fail` | the run ends with exit code 3; nothing is published |

The name of a check is `<kind>.<column>` (several columns: `unique.a+b`; `not_null` of two columns is two checks)
unless `name` is given. It is the reason in quarantine, ledger and report; two checks of a pipeline cannot share
it.

A row that fails several rejecting checks has the first of them, in the order of the file, as its reason; the
report still counts it for each (unique compares only rows that the checks before it let pass). Nulls pass all
checks but `not_null` and `expression`. Bounds and values must be of the column's type: text for text (write `"NO"`
and `"01"` in quotes), numbers for numbers, `2024-12-31` for dates, `2024-12-31 23:59:59` (UTC, or with an offset)
for timestamps.
"""
_THRESHOLDS = """\
## Thresholds

`quality.fail_when` stops a run before anything is published, with exit code 3: `score_below` compares the
DataQualityScore; `rejected_above` the records that reader, steps and checks rejected, as a whole number of records
or as a share of the records read (`5%` or `0.05`).
"""
_SCORE = f"""\
## DataQualityScore

The share of records without a fault, 0 to 100, and none for an empty batch:

    {FORMULA}

* `records_read`, `rejected_by_reader`: records in the raw files, and those of them that did not fit the contract.
* `rows_checked`: rows that reached the steps and the gate; `rejected_by_checks`: those that steps or checks rejected.
* `rows_flagged`: accepted rows that fail a check with `on_fail` `warn` or `fail`.

A record counts once, however many checks it fails. As long as no step changes the number of rows, the product is
100 x (1 - records with a fault / records_read); written as a product it also holds after steps that fold or
multiply rows. Duplicates, dropped nulls and filtered rows are no faults. Checks of the batch do not count: they
warn or stop the run by themselves. A repeated key that `unique` only warns of counts beside other faults of its
row, so the score may be lower than the share, never higher.
"""


def checks_page() -> str:
    """The page, in Markdown."""
    register_families()
    models = sorted(CheckSpec.registry.items())
    parts = [_INTRODUCTION]
    for title, base in (("Checks of each row", RowCheck), ("Checks of the batch", BatchCheck)):
        parts.append(f"## {title}\n")
        parts += [_check(kind, model) for kind, model in models if issubclass(model, base)]
    parts += [_THRESHOLDS, _SCORE]
    return "\n".join(parts)


def _check(kind: str, model: type[BaseModel]) -> str:
    return f"### {kind}\n\n{inspect.getdoc(model)}\n\n{_fields(model)}"


def _fields(model: type[BaseModel]) -> str:
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{field.alias or name}` | {_default(field)} | {field.description} |"
        for name, field in _own_first(model.model_fields)
    ]
    return "\n".join(lines) + "\n"


def _own_first(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, FieldInfo]]:
    shared = ("on_fail", "name")
    yield from ((name, field) for name, field in fields.items() if name not in shared)
    yield from ((name, fields[name]) for name in shared)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
