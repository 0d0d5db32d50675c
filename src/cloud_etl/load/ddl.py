"""Tables as SQL: types that hold one another, and the statements that make a table fit an output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import MAX_PRECISION, Column, ColumnType, Schema
from cloud_etl.errors import SchemaEvolutionError, TargetError
from cloud_etl.load.checks import is_keyed
from cloud_etl.load.dialect import Dialect, qualified, quote

if TYPE_CHECKING:
    from cloud_etl.domain.spec import LoadSpec

VALID_FROM = "valid_from"
VALID_TO = "valid_to"
IS_CURRENT = "is_current"
SCD2_COLUMNS = (
    Column(VALID_FROM, ColumnType("timestamp"), nullable=False),
    Column(VALID_TO, ColumnType("timestamp")),
    Column(IS_CURRENT, ColumnType("boolean"), nullable=False),
)

# Decimal digits that hold every value of the integer types.
_DIGITS = {"integer": 10, "bigint": 19}
_JOINS: dict[frozenset[str], ColumnType] = {
    frozenset({"json", "string"}): ColumnType("string"),
    frozenset({"date", "timestamp"}): ColumnType("timestamp"),
    frozenset({"integer", "double"}): ColumnType("double"),
    frozenset({"integer", "bigint"}): ColumnType("bigint"),
}

# What stands in a default beside function calls: texts, casts, and the digits of types.
_PLAIN = re.compile(r"'(?:[^']|'')*'|::[a-z ]+|\bcast\b|\w+\(\d+(?:,\s*\d+)?\)", re.IGNORECASE)
_CALL = re.compile(r'\w"?\s*\(|\b(?:current_\w+|local\w+|sysdate|user|session_user)\b', re.IGNORECASE)


def common_type(left: ColumnType, right: ColumnType) -> ColumnType | None:
    """The smallest type that holds every value of both without loss; None where there is none.

    bigint and decimal never become double: it holds 53 bits.
    """
    if left == right:
        return left
    kinds = frozenset({left.kind, right.kind})
    if kinds in _JOINS:
        return _JOINS[kinds]
    if not kinds <= {"integer", "bigint", "decimal"}:
        return None
    scale = max(left.scale, right.scale)
    precision = max(_whole_digits(left), _whole_digits(right)) + scale
    return ColumnType("decimal", precision, scale) if precision <= MAX_PRECISION else None


def _whole_digits(type_: ColumnType) -> int:
    return _DIGITS.get(type_.kind, type_.precision - type_.scale)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as the warehouse describes it.

    Attributes:
        type: None where the contract has no such type.
        default: the expression that fills it, as the warehouse writes it.
        is_generated: the warehouse alone fills it; nothing may be written into it.
        width: bytes that a text column holds; None where there is no limit.
    """

    name: str
    native: str
    type: ColumnType | None
    nullable: bool = True
    default: str | None = None
    is_generated: bool = False
    width: int | None = None

    @property
    def is_filled_anew(self) -> bool:
        """Each new row gets a value of its own: a key, a time. A version that copied it would be taken for another."""
        return self.default is not None and _CALL.search(_PLAIN.sub(" ", self.default)) is not None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the warehouse describes it."""

    name: str
    columns: tuple[TableColumn, ...]

    def find(self, name: str) -> TableColumn | None:
        """The column of that name; warehouses do not tell upper from lower case."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What makes a table fit an output.

    Attributes:
        statements: DDL in order; empty where the table fits already.
        widenings: DDL that makes text columns longer; some warehouses refuse it in a transaction.
        columns: the output's columns in the type that the table has after the statements, and those that files of
            earlier batches brought: the batch has no value for them, and NULL is what its rows get.
        extras: columns of the table that the output lacks and whose values rows keep, without those of scd2.
        required: columns of the output that the table or its mode takes no NULL for.
        remembered: columns that the table has from files of earlier batches, beyond the contract.
    """

    statements: tuple[str, ...]
    columns: tuple[Column, ...]
    extras: tuple[str, ...]
    required: tuple[str, ...]
    widenings: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()


def plan_table(
    spec: LoadSpec, schema: Schema, table: Table | None, dialect: Dialect, remembered: tuple[str, ...] = ()
) -> TablePlan:
    """Plan the DDL for one output.

    Args:
        spec: the table and its mode.
        schema: columns of the output, without lineage.
        table: the table as it is, or None where there is none.
        dialect: the warehouse's words.
        remembered: columns that the table has from files of earlier batches, beyond the contract.

    Raises:
        SchemaEvolutionError: the table cannot take the output without loss; names the ALTER it would take.
        TargetError: the output itself does not fit its mode (keys missing, names that collide).
    """
    check_output(spec, schema)
    if table is None:
        return _create(spec, schema, dialect)
    return _evolve(spec, schema, table, dialect, remembered)


def check_output(spec: LoadSpec, schema: Schema) -> None:
    """Check an output against its mode, without its table.

    Raises:
        TargetError: keys are missing, or names collide.
    """
    folded = [name.lower() for name in schema.names]
    doubled = sorted({name for name in schema.names if folded.count(name.lower()) > 1})
    if doubled:
        raise TargetError(
            f"columns {', '.join(doubled)} for {spec.table} differ in upper and lower case only, which the warehouse "
            "does not tell apart. Nothing was loaded. Rename one of them in transform."
        )
    missing = [key for key in spec.keys if key.lower() not in folded] if schema.columns and is_keyed(spec) else []
    if missing:
        raise TargetError(
            f"key {', '.join(missing)} of {spec.table} is no column of the output. Nothing was loaded. "
            "Correct load.keys, or publish the column."
        )
    reserved = [name for name in folded if spec.mode == "scd2" and name in (VALID_FROM, VALID_TO, IS_CURRENT)]
    if reserved:
        raise TargetError(
            f"mode scd2 keeps {', '.join(reserved)} itself and the output for {spec.table} has such columns. "
            "Nothing was loaded. Rename them in transform."
        )


def _create(spec: LoadSpec, schema: Schema, dialect: Dialect) -> TablePlan:
    required = required_columns(spec, schema, None)
    if not schema.columns:
        return TablePlan((), (), (), ())
    # Only keys are NOT NULL: the nullability in footers depends on the engine's plan and would flip from run to run.
    columns = [Column(column.name, column.type, column.name not in required) for column in schema.columns]
    if spec.mode == "scd2":
        columns += SCD2_COLUMNS
    body = ", ".join(_definition(spec, column, dialect) for column in columns)
    statements = (
        f"CREATE SCHEMA IF NOT EXISTS {quote(spec.table.split('.', 1)[0])}",
        f"CREATE TABLE {qualified(spec.table)} ({body}){dialect.table_options(spec)}",
        *dialect.comments(spec, tuple(column.name for column in columns)),
    )
    return TablePlan(statements, schema.columns, (), required)


def _definition(spec: LoadSpec, column: Column, dialect: Dialect) -> str:
    options = dialect.column_options(spec, column.name)
    return f"{quote(column.name)} {dialect.type_name(column)}{options}{'' if column.nullable else ' NOT NULL'}"


def _evolve(spec: LoadSpec, schema: Schema, table: Table, dialect: Dialect, remembered: tuple[str, ...]) -> TablePlan:
    target = qualified(spec.table)
    statements, widenings, columns = [], [], []
    problems = _missing_columns(spec, schema, table)
    for column in schema.columns:
        found = table.find(column.name)
        if found is None:
            added = _definition(spec, Column(column.name, column.type), dialect)
            statements.append(f"ALTER TABLE {target} ADD COLUMN {added}")
            columns.append(column)
            continue
        if found.is_generated:
            problems.append(
                f"column {column.name} is filled by the warehouse alone (identity, or generated) and the output has "
                "it; leave it out with columns"
            )
            continue
        common = common_type(found.type, column.type) if found.type else None
        wide = Column(column.name, common or column.type, column.nullable)
        change = dialect.change_type(target, quote(found.name), found.native, dialect.type_name(wide))
        old = None if found.type is None else Column(found.name, found.type, found.nullable)
        if common is None or old is None or (common != old.type and not dialect.can_widen(old, wide)):
            problems.append(_misfit(column, found, common, change))
            continue
        if common != old.type:
            statements.append(change)
        elif (longer := dialect.widened(old, found.width, wide)) is not None:
            widenings.append(dialect.change_type(target, quote(found.name), found.native, longer))
        columns.append(wide)
    _refuse(spec, problems, [*widenings, *statements])
    kept = {name.lower() for name in schema.names} | (
        {column.name for column in SCD2_COLUMNS} if spec.mode == "scd2" else set()
    )
    absent = _absent(schema, table, remembered)
    kept |= {column.name.lower() for column in absent}
    extras = tuple(column.name for column in table.columns if column.name.lower() not in kept and _stays(spec, column))
    required = required_columns(spec, schema, table)
    return TablePlan(tuple(statements), (*columns, *absent), extras, required, tuple(widenings), remembered)


def _absent(schema: Schema, table: Table, remembered: tuple[str, ...]) -> list[Column]:
    """Columns that earlier files brought and the batch lacks: its files have no value there, whatever the table has."""
    given = {name.lower() for name in schema.names}
    found = [table.find(name) for name in remembered if schema.columns and name.lower() not in given]
    return [Column(one.name, one.type) for one in found if one is not None and one.type is not None and one.nullable]


def _stays(spec: LoadSpec, column: TableColumn) -> bool:
    """Whether a row that takes the place of another keeps the value of a column that the output lacks."""
    return not column.is_generated and not (spec.mode == "scd2" and column.is_filled_anew)


def _misfit(column: Column, found: TableColumn, common: ColumnType | None, change: str) -> str:
    risk = "may lose data" if common is None else "rewrites the table"
    if found.type is None:
        risk = "rewrites the table; cloud-etl has no such type"
    return (
        f"column {column.name} is {found.native} in the table and {column.type} in the output "
        f"(it would take {change}, which {risk})"
    )


def _missing_columns(spec: LoadSpec, schema: Schema, table: Table) -> list[str]:
    """Columns that the table must have, or must get a value for, and cannot."""
    if not schema.columns:
        return []
    given = {name.lower() for name in schema.names}
    problems = []
    if spec.mode == "scd2":
        given |= {column.name for column in SCD2_COLUMNS}
        lacking = [column.name for column in SCD2_COLUMNS if table.find(column.name) is None]
        if lacking:
            problems.append(
                f"mode scd2 needs {', '.join(lacking)}, which the table lacks; load into a new table, "
                "or add and fill them yourself"
            )
    problems += [
        f"column {column.name} of the table is NOT NULL without a default and the output lacks it "
        f"(it would take ALTER TABLE {qualified(spec.table)} ALTER COLUMN {quote(column.name)} DROP NOT NULL)"
        for column in table.columns
        if not column.nullable
        and column.default is None
        and not column.is_generated
        and column.name.lower() not in given
    ]
    return problems


def _refuse(spec: LoadSpec, problems: list[str], statements: list[str]) -> None:
    if problems:
        raise SchemaEvolutionError(
            f"{spec.table} cannot take the output: {'; '.join(problems)}. Nothing was loaded. "
            "Cast or rename the columns in transform, or change the table yourself."
        )
    if statements and spec.on_schema_change == "fail":
        raise SchemaEvolutionError(
            f"{spec.table} does not fit the output and on_schema_change is fail. Nothing was loaded. "
            f"It would take: {'; '.join(statements)}. Run that yourself, or set on_schema_change: evolve."
        )


def required_columns(spec: LoadSpec, schema: Schema, table: Table | None) -> tuple[str, ...]:
    """Columns of the output that its mode, or its table, takes no NULL for."""
    keys = {key.lower() for key in spec.keys} if is_keyed(spec) else set()
    stored = table.columns if table is not None else ()
    strict = keys | {column.name.lower() for column in stored if not column.nullable}
    return tuple(name for name in schema.names if name.lower() in strict)
