"""What a batch must be before it meets its table, in every warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.errors import TargetError
from cloud_etl.load.dialect import quote

if TYPE_CHECKING:
    from cloud_etl.domain.run import LoadRequest, LoadTask
    from cloud_etl.domain.spec import LoadSpec
    from cloud_etl.load.modes import Statements


def is_keyed(spec: LoadSpec) -> bool:
    """Whether rows meet those already there by their keys."""
    return spec.mode in ("upsert", "scd2")


def check_tasks(request: LoadRequest, reader: str, *, local_files: bool) -> None:
    """A table is loaded once per request: the counts of two loads into it could not be told apart.

    Args:
        request: what is to be loaded.
        reader: who reads the files on this machine, for the message.
        local_files: whether it reads files of this machine alone.

    Raises:
        TargetError: two outputs go into one table, or files are not on this machine.
    """
    tables = [task.spec.table.lower() for task in request.tasks]
    doubled = next((table for table in tables if tables.count(table) > 1), None)
    if doubled:
        raise TargetError(
            f"two outputs of {request.pipeline} go into table {doubled}. Nothing was loaded. "
            "Give each output a table of its own, or join them in transform."
        )
    for task in request.tasks:
        publication = task.publication
        readable = [path for path in task.paths if isinstance(path, Path) or not local_files]
        if len(readable) != len(publication.files):
            raise TargetError(
                f"the files of {publication.output} are not on this machine, where {reader} reads them. "
                "Nothing was loaded. Fetch them first (publish.manifest.fetch)."
            )


def refuse_doubled_keys(run: Statements, task: LoadTask, batch: str) -> None:
    """Refuse keys that a batch holds more than once: each row would be loaded, or the merge would not know which.

    Raises:
        TargetError: with their number, without their values.
    """
    spec = task.spec
    names = ", ".join(quote(key) for key in spec.keys)
    doubled = run.number(
        f"SELECT count(*) FROM (SELECT {names} FROM {batch} GROUP BY {names} HAVING count(*) > 1) AS doubled"
    )
    if doubled:
        raise TargetError(
            f"{task.publication.output} holds {doubled} keys ({', '.join(spec.keys)}) more than once, and "
            f"mode {spec.mode} takes one row per key. Nothing was loaded. Deduplicate by these keys in transform."
        )
