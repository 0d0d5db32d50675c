"""The outputs of a request as jobs: planned against their tables, staged, and brought in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError, TargetError, TemporaryError
from cloud_etl.load import bookkeeping
from cloud_etl.load.checks import is_keyed, refuse_doubled_keys
from cloud_etl.load.ddl import Table, TablePlan, check_output, plan_table, required_columns
from cloud_etl.load.dialect import quote
from cloud_etl.load.redshift import catalog, preflight
from cloud_etl.load.redshift.dialect import RedshiftDialect, fold, folded
from cloud_etl.load.redshift.staging import Staging, staging_of
from cloud_etl.load.table_load import TableLoad, load_table

if TYPE_CHECKING:
    from datetime import datetime

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadTask
    from cloud_etl.domain.schema import Column, Schema
    from cloud_etl.domain.warehouse import RedshiftSpec
    from cloud_etl.load.redshift.parquet_files import DataFiles
    from cloud_etl.load.redshift.session import Session

# To Redshift two texts are equal that differ by blanks at their end, so that keys unique in Spark may be one key here.
_TEXT = "string"


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a request and what its files hold.

    Attributes:
        task: as it was asked for, with the names that the files have.
        files: its files, read.
        number: makes the names of temporary tables.
    """

    task: LoadTask
    files: DataFiles
    number: int

    @property
    def stored(self) -> LoadTask:
        """The task with names as Redshift stores them."""
        spec = self.task.spec
        spec = spec.model_copy(update={"keys": tuple(map(fold, spec.keys))})
        return replace(self.task, spec=spec, publication=replace(self.task.publication, schema=folded(self.schema)))

    @property
    def schema(self) -> Schema:
        """Columns of the publication, as the files name them."""
        return self.task.publication.schema


@dataclass(frozen=True, slots=True)
class Job:
    """An output planned against its table."""

    output: Output
    dialect: RedshiftDialect
    plan: TablePlan
    exists: bool
    staging: Staging

    @property
    def task(self) -> LoadTask:
        """The publication and its table, with names as Redshift stores them."""
        return self.output.stored


def plan_jobs(session: Session, outputs: tuple[Output, ...], spec: RedshiftSpec, pipeline: str) -> tuple[Job, ...]:
    """Plan every output, and tell everything that would make the load fail; changes nothing.

    Raises:
        SchemaEvolutionError: a table cannot take its output.
        TargetError: the data would be refused.
    """
    jobs: list[Job] = []
    found: dict[str, list[str]] = {}
    problems: list[CloudEtlError] = []
    for output in outputs:
        task = output.task
        with session.doing(f"looking at {task.spec.table}"):
            table = catalog.describe(session, task.spec.table)
            try:
                jobs.append(_plan(session, output, table, spec, pipeline))
            except TargetError as exc:
                problems.append(exc)
        required = required_columns(task.spec, task.publication.schema, table)
        told = preflight.findings(task, output.files, frozenset(required))
        if told:
            found[task.publication.output] = told
    preflight.refuse(found, problems)
    return tuple(jobs)


def plan_again(session: Session, job: Job, spec: RedshiftSpec, pipeline: str) -> Job:
    """The job as its table is now that it is locked: it may have changed since it was planned.

    Raises:
        TemporaryError: it was made, dropped or narrowed meanwhile.
    """
    table = job.task.spec.table
    with session.doing(f"looking at {table}"):
        again = _plan(session, job.output, catalog.describe(session, table), spec, pipeline)
    if again.exists != job.exists or again.plan.widenings:
        raise TemporaryError(f"{table} was changed by somebody else during the load. Nothing was loaded. Run again.")
    return again


def _plan(session: Session, output: Output, table: Table | None, spec: RedshiftSpec, pipeline: str) -> Job:
    # With the names that the person knows: two of them may be one when they are folded.
    check_output(output.task.spec, output.schema)
    task = output.stored
    longest = {fold(name): length for name, length in output.files.longest.items()}
    dialect = RedshiftDialect(longest, spec.varchar_headroom)
    remembered = bookkeeping.evolved_columns(session, pipeline, task) if table is not None else ()
    plan = plan_table(task.spec, task.publication.schema, table, dialect, remembered)
    if plan.statements and table is None:
        plan = without_schema(session, task.spec.table, plan)
    return Job(output, dialect, plan, table is not None, staging_of(spec, task, output.number, pipeline))


def without_schema(session: Session, table: str, plan: TablePlan) -> TablePlan:
    """A plan that makes no schema where there is one: that would take a right on the whole database."""
    if catalog.schema_exists(session, table.split(".", 1)[0]):
        return replace(plan, statements=plan.statements[1:])
    return plan


def load_job(session: Session, job: Job, run_at: datetime) -> TableCount:
    """Bring a staged output into its table and give Redshift's own counts."""

    def make_batch() -> str:
        relation = _batch(session, job)
        if is_keyed(job.task.spec) and (not job.task.keys_are_unique or _has_text_key(job)):
            refuse_doubled_keys(session, job.task, relation)
        return relation

    with session.doing(f"loading {job.task.spec.table}"):
        return load_table(session, TableLoad(job.task, job.plan, job.exists, job.dialect), run_at, make_batch)


def _batch(session: Session, job: Job) -> str:
    """The staged rows in the table's types: the staging table itself where no value changes its type."""
    kinds = {fold(column.name): column.type for column in job.output.files.columns}
    given = set(job.task.publication.schema.names)
    values = [
        _converted(column, str(kinds.get(column.name, column.type))) if column.name in given else _missing(column)
        for column in job.plan.columns
    ]
    if not any(value.changes for value in values):
        return job.staging.name
    query = f"SELECT {', '.join(value.sql for value in values)} FROM {job.staging.name}"
    if not is_keyed(job.task.spec):
        return f"({query})"
    name = f"cloud_etl_batch_{job.output.number}"
    session.change(f"CREATE TEMP TABLE {name} AS {query}")
    return name


@dataclass(frozen=True, slots=True)
class _Value:
    sql: str
    changes: bool


def _missing(column: Column) -> _Value:
    return _Value(f"CAST(NULL AS {RedshiftDialect().type_name(column)}) AS {quote(column.name)}", True)


def _converted(column: Column, kind: str) -> _Value:
    name = quote(column.name)
    if column.type.kind == "json":
        return _Value(f"JSON_PARSE({name}) AS {name}", True)
    if kind in (str(column.type), "json") or column.type.kind == _TEXT:
        return _Value(name, False)
    return _Value(f"CAST({name} AS {RedshiftDialect().type_name(column)}) AS {name}", True)


def _has_text_key(job: Job) -> bool:
    keys = {key.lower() for key in job.task.spec.keys}
    return any(column.name.lower() in keys and column.type.kind == _TEXT for column in job.plan.columns)
