"""What would make COPY or the merge fail on the data, found by name before anything is sent to Redshift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import ColumnType
from cloud_etl.errors import CloudEtlError, SchemaEvolutionError, TargetError
from cloud_etl.load.dialect import quote
from cloud_etl.load.redshift.dialect import MAX_SCALE, MAX_VARCHAR_BYTES, name_problem
from cloud_etl.load.redshift.parquet_files import is_lineage, not_json, too_long, with_nul

if TYPE_CHECKING:
    from cloud_etl.domain.run import LoadTask
    from cloud_etl.domain.schema import Column
    from cloud_etl.load.redshift.parquet_files import DataFile, DataFiles, Measured

_MOST_SHOWN = 50
_STRING = ColumnType("string")


def findings(task: LoadTask, files: DataFiles, required: frozenset[str]) -> list[str]:
    """Every finding in the files of one output, with file, column and remedy.

    Args:
        task: the publication and its table.
        files: its files, read.
        required: columns that take no NULL, in lower case.
    """
    found = list(_names(task))
    for file in files.files:
        found += [f"{file.name}, {finding}" for finding in _layout(file, files, task)]
        for column in task.publication.schema.columns:
            measured = file.measured.get(column.name)
            if measured is not None:
                for finding, condition in _values(column, measured, task, column.name.lower() in required):
                    source = files.source(file.name, condition) or f"{file.name}, whose rows have no line of their own"
                    found.append(f"column {column.name}: {finding}; the first is in {source}")
    for column in task.publication.schema.columns:
        if column.type.kind == "decimal" and column.type.scale > MAX_SCALE:
            found.append(
                f"column {column.name}: {column.type} has more than {MAX_SCALE} digits behind the point, which "
                "Redshift does not hold; cast it in transform"
            )
    return found


def refuse(found: dict[str, list[str]], planning: list[CloudEtlError]) -> None:
    """Stop with everything that was found, for all tables at once; nothing found passes.

    Args:
        found: findings by output.
        planning: why tables cannot take their outputs.

    Raises:
        SchemaEvolutionError: at least one table cannot take its output.
        TargetError: the data would be refused.
    """
    listed = [f"{output}: {finding}" for output, findings in found.items() for finding in findings]
    if not listed and not planning:
        return
    if len(planning) == 1 and not listed:
        raise planning[0]
    lines = [str(error) for error in planning] + listed
    more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    text = "\n- ".join([*lines[:_MOST_SHOWN], *more])
    kind = SchemaEvolutionError if any(isinstance(error, SchemaEvolutionError) for error in planning) else TargetError
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    raise kind(f"the pre-flight of the load found {count}. Nothing was copied or loaded.\n- {text}")


def _names(task: LoadTask) -> Iterator[str]:
    schema, table = task.spec.table.split(".", 1)
    for what, name in (("schema", schema), ("table", table)):
        problem = name_problem(name)
        if problem:
            yield f"{what} {name!r}: {problem}"
    for column in task.publication.schema.columns:
        problem = name_problem(column.name)
        if problem:
            yield f"column {column.name!r}: {problem}"


def _layout(file: DataFile, files: DataFiles, task: LoadTask) -> Iterator[str]:
    """A file whose columns are not those of the manifest, or not in the order of the first file, which COPY goes by."""
    publication = task.publication
    again = f"is not what {publication.manifest_uri} says. Run again to publish it anew"
    held = {column.name: column for column in file.columns}
    declared = {column.name: column for column in publication.schema.columns}
    for name, column in declared.items():
        there = held.get(name)
        if there is None:
            yield f"column {name}: {column.type} in its manifest and missing in its files; the file {again}"
        elif there.copy_type is None:
            yield f"column {name}: {there.native} is no type that COPY reads from Parquet; cast it in transform"
        elif there.type != column.type and not (column.type.kind == "json" and there.type == _STRING):
            yield f"column {name}: {column.type} in its manifest and {there.native} in its files; the file {again}"
    for column_ in file.columns:
        if column_.name not in declared and not is_lineage(column_.name):
            yield f"column {column_.name}: not in its manifest; the file {again}"
    names = tuple(column.name for column in file.columns)
    expected = tuple(column.name for column in files.columns)
    if names != expected and set(names) == set(expected):
        yield f"its columns stand in another order than those of {files.files[0].name}; the file {again}"


def _values(column: Column, measured: Measured, task: LoadTask, is_required: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the values of a column, and the condition for the rows."""
    name, kind = column.name, column.type.kind
    if measured.missing and is_required:
        yield (
            f"{measured.missing} rows without {name}, which {task.spec.table} needs (a key, or NOT NULL); "
            "add the column to drop_nulls or fill_nulls in transform",
            f"{quote(name)} IS NULL",
        )
    if measured.longest > MAX_VARCHAR_BYTES:
        yield (
            f"a value of {measured.longest:,} bytes, and Redshift holds {MAX_VARCHAR_BYTES:,}; "
            f"cut it in transform, or leave the column out with columns",
            too_long(name),
        )
    if measured.with_nul:
        yield (
            f"{measured.with_nul} values with the character NUL, which Redshift refuses; replace it in transform",
            with_nul(name, kind),
        )
    if measured.not_json:
        yield (
            f"{measured.not_json} values do not fit: a json column takes JSON text only; "
            "check it, or cast the column to string in transform",
            not_json(name),
        )
