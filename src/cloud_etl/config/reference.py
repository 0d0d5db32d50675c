"""Write docs/reference/configuration.md from the models: `python -m cloud_etl.config.reference > FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cloud_etl import backends
from cloud_etl.config.model_tree import fields, kind_of, members
from cloud_etl.domain.environment import EnvironmentSpec, ProjectSpec
from cloud_etl.domain.spec import CheckSpec, Family, PipelineSpec, StepSpec

_HEAD = """\
# Configuration

Written from the models by `make docs`; do not edit.

A project is a folder with `cloud-etl.yaml` and one file per pipeline in `pipelines/` (`*.yaml`, `*.yml`).
`cloud-etl validate` checks all of it without touching data or running code of the project (`--import` runs it),
`cloud-etl config show --origin` tells where each value comes from, and `cloud-etl schema --write` writes JSON Schemas
for editors. An unknown key, a wrong type or a name that leads nowhere is an error with file and line; all of them are
told at once.

## Where a value comes from
The later wins:

1. the default in the tables below,
2. the base environment (`extends`), and its base before it,
3. the environment,
4. an environment variable: `CLOUD_ETL__` and the path of the key with `__` between its parts, in any case, `_` for `-`
   and `.`: `CLOUD_ETL__ENVIRONMENTS__DEV__STORE=s3://other`. Pipelines stand below `PIPELINES`:
   `CLOUD_ETL__PIPELINES__SALES_DATA__SOURCE__PATTERN=*.csv`. Where text is wanted the value is taken as it stands;
   elsewhere it is read as YAML: `8`, `true`, `[a, b]`, `{name: sail}`,
5. the command line (`--env`, `--engine`, ...).

While a local AWS is up (`cloud-etl local up`), `.local-aws/environment.yaml` defines the environment `local-aws`; what
`cloud-etl.yaml` says about it goes before that file.
A variable counts as if it stood in the file: environments that extend the one it changes inherit it.
Mappings are merged key by key; lists and single values are replaced. The environment is that of `--env`, else of
`CLOUD_ETL_ENV`, else `default_environment`.

## References
In text values of an environment, resolved for the chosen environment only, when something is opened:

| Written | Stands for |
|---|---|
| `${env:NAME}` | the environment variable; an error where it is not set |
| `${env:NAME:-text}` | the same, with a default for a variable that is not set or empty |
| `${secret:NAME}` | the text of a secret in AWS Secrets Manager |
| `${secret:NAME#key}` | one key of a secret that is a JSON object |
| `$${` | the two characters `${` |

Resolved secrets are never printed or logged; `config show` prints the reference.

## YAML
Files are read as YAML 1.2: `yes`, `no`, `on`, `12:30` and `2026-01-31` are text. A number that would lose what is
written (`007`, `1_000`, more digits than a float holds) stays text. A key that stands twice is an error. Anchors,
aliases and `<<` may be used.
"""


def render_reference() -> str:
    """The page as Markdown, with every step and check there is."""
    backends.register_families()
    parts = [_HEAD, *_section("cloud-etl.yaml", ProjectSpec, 2), *_section("Environment", EnvironmentSpec, 2)]
    parts += _section("Pipeline", PipelineSpec, 2)
    parts += _family("Steps", "`transform` is a list; each entry is the name of a step and its settings.", StepSpec)
    parts += _family(
        "Checks", "`quality.checks` is a list; each entry is the name of a check and its settings.", CheckSpec
    )
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, model: type[BaseModel], level: int) -> Iterator[str]:
    """A heading and the table of a model, then those of the models inside it."""
    yield f"{'#' * level} {title}\n{_doc(model)}\n\n{_table(model)}\n"
    for key, info in fields(model).items():
        for inner in _inner(info.annotation):
            if inner is not EnvironmentSpec:
                yield from _section(_path(title, key, info.annotation), inner, 3)


def _family(title: str, intro: str, family: type[Family]) -> Iterator[str]:
    yield f"## {title}\n{intro}\n"
    for kind, model in sorted(family.registry.items()):
        yield f"### {kind}\n{_doc(model)}\n"
        if model.wrap:
            info = model.model_fields[model.wrap]
            yield f"`- {kind}:` takes {_type(info.annotation)}: {info.description or ''}\n"
        else:
            yield f"{_table(model)}\n"
            for key, info in fields(model).items():
                for inner in _inner(info.annotation):
                    yield f"`{key}`:\n\n{_table(inner)}\n"


def _path(title: str, key: str, annotation: object) -> str:
    above = "" if title in ("cloud-etl.yaml", "Environment", "Pipeline") else title.strip("`") + "."
    origins = [get_origin(member) for member in members(annotation)]
    many = "[]" if tuple in origins else ".<name>" if any(origin is not None for origin in origins) else ""
    return f"`{above}{key}{many}`"


def _inner(annotation: object) -> Iterator[type[BaseModel]]:
    """Models inside a type, except steps and checks, which have sections of their own."""
    for member in members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel) and not issubclass(member, Family):
            yield member
        elif get_origin(member) is not None:
            for argument in get_args(member):
                yield from _inner(argument)


def _doc(model: type[BaseModel]) -> str:
    lines = [line.strip() for line in (model.__doc__ or "").strip().splitlines()]
    return "\n".join(lines)


def _table(model: type[BaseModel]) -> str:
    rows = ["| Key | Value | Default | Meaning |", "|---|---|---|---|"]
    for key, info in fields(model).items():
        cells = (f"`{key}`", _type(info.annotation), _default(info), info.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if model is EnvironmentSpec:
        rows.append("| `extends` | text | none | Environment whose settings this one changes. |")
    return "\n".join(rows)


def _type(annotation: object) -> str:
    return kind_of(annotation).replace("'", "`")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel) or value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(repr(item) for item in value)}]`"
    if isinstance(value, Enum | str):
        return f"`{value}`"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
