"""One publication into one table, inside the transaction of its load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloud_etl.errors import TargetError
from cloud_etl.load import bookkeeping
from cloud_etl.load.checks import is_keyed, refuse_doubled_keys
from cloud_etl.load.ddl import TablePlan, plan_table
from cloud_etl.load.dialect import quote
from cloud_etl.load.duckdb import catalog
from cloud_etl.load.duckdb.session import translated
from cloud_etl.load.table_load import TableLoad, load_table
from cloud_etl.storage.parquet_queries import read_parquet

if TYPE_CHECKING:
    from datetime import datetime

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadTask, Publication
    from cloud_etl.load.duckdb.session import Session

BATCH = "cloud_etl_batch"


@dataclass(frozen=True, slots=True)
class Job:
    """A task and the plan that makes its table fit.

    Attributes:
        file_columns: DuckDB's types of the columns in the files; empty where there is no file.
        exists: whether the table is there already.
    """

    task: LoadTask
    plan: TablePlan
    file_columns: Mapping[str, str]
    exists: bool


def plan_job(session: Session, task: LoadTask, pipeline: str) -> Job:
    """Check the files and the table against the publication; changes nothing.

    Raises:
        SchemaEvolutionError: the table cannot take the publication.
        TargetError: the files are not what the publication says.
    """
    table = catalog.describe(session, task.spec.table)
    remembered = bookkeeping.evolved_columns(session, pipeline, task)
    plan = plan_table(task.spec, task.publication.schema, table, catalog.DIALECT, remembered)
    with translated(f"reading the files of {task.publication.output}"):
        file_columns = catalog.file_columns(session, task.paths)
    if task.paths:
        _check_files(task.publication, file_columns)
    return Job(task, plan, file_columns, table is not None)


def load_job(session: Session, job: Job, run_at: datetime) -> TableCount:
    """Run a job and give the warehouse's own counts."""
    plan = replace(job.plan, statements=(*job.plan.widenings, *job.plan.statements))

    def make_batch() -> str:
        _create_batch(session, job)
        _check_values(session, job)
        return BATCH

    with translated(f"loading {job.task.spec.table}"):
        return load_table(session, TableLoad(job.task, plan, job.exists, catalog.DIALECT), run_at, make_batch)


def _check_files(publication: Publication, file_columns: Mapping[str, str]) -> None:
    """A cast from another type than the declared one could round; so the footer must agree with the publication."""
    for column in publication.schema.columns:
        native, declared = file_columns.get(column.name), column.type
        seen = None if native is None else catalog.file_type(native)
        if seen != declared and not (seen is not None and {seen.kind, declared.kind} == {"string", "json"}):
            raise TargetError(
                f"column {column.name} of {publication.output} is {declared} in its manifest and {native or 'missing'} "
                f"in its files ({publication.manifest_uri}). Nothing was loaded. Run again to publish it anew."
            )


def _create_batch(session: Session, job: Job) -> None:
    """A view, so that the statements which use it stay short and nothing is copied."""
    paths = job.task.paths
    rows = read_parquet(paths) if paths else "(SELECT 1) WHERE FALSE"
    values = (
        catalog.converted(column.name, job.file_columns.get(column.name), column.type) for column in job.plan.columns
    )
    session.rows(f"CREATE OR REPLACE TEMP VIEW {BATCH} AS SELECT {', '.join(values)} FROM {rows}")


def _check_values(session: Session, job: Job) -> None:
    """Refuse missing and doubled keys: a NULL key never matches, a doubled one would be loaded twice."""
    spec, table = job.task.spec, job.task.spec.table
    keyed, proven = is_keyed(spec), job.task.keys_are_unique
    keys = {key.lower() for key in spec.keys} if keyed else set()
    nullable = {column.name for column in job.task.publication.schema.columns if column.nullable}
    checked = [name for name in job.plan.required if name in nullable and not (proven and name.lower() in keys)]
    if checked:
        counts = ", ".join(f"count(*) - count({quote(name)})" for name in checked)
        missing = session.rows(f"SELECT {counts} FROM {BATCH}")[0]
        problems = [f"{rows} rows without {name}" for name, rows in zip(checked, missing, strict=True) if rows]
        if problems:
            raise TargetError(
                f"{job.task.publication.output} holds {', '.join(problems)}, which {table} needs "
                f"({'its keys, or ' if keyed else ''}NOT NULL). Nothing was loaded. "
                "Add the columns to drop_nulls or fill_nulls in transform."
            )
    if keyed and not proven:
        refuse_doubled_keys(session, job.task, BATCH)
