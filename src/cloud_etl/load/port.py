"""What a warehouse must offer to the pipeline."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadedBatch, LoadRequest, LoadResult
    from cloud_etl.domain.schema import Schema, TextLimits
    from cloud_etl.domain.spec import LoadSpec


class Loader(Protocol, AbstractContextManager["Loader"]):
    """Loads publications into the tables of a warehouse; used as a context manager that holds the connection."""

    @property
    def reads_local_files(self) -> bool:
        """Whether the data files of a publication must lie on this machine; else they may lie in the store."""

    @property
    def grows(self) -> tuple[Path, ...]:
        """Files of this machine that grow while a load goes on; none where the warehouse is elsewhere."""

    def loaded_files(self, pipeline: str) -> frozenset[str]:
        """Identities (FileRef.identity) of the contents that the pipeline loaded last under each name."""

    def claim(self, pipeline: str, fence: int, run_id: str) -> frozenset[str]:
        """Keep every run with a lower fence from loading the pipeline, for good.

        Returns:
            The runs that have loaded a batch of the pipeline; no other run with a lower fence ever will.

        Raises:
            LeaseHeldError: a run with a higher fence has claimed it.
            TemporaryError: a passing fault; it is not known whether it is claimed.
        """

    def loaded_by(self, run_id: str) -> tuple[LoadedBatch, ...]:
        """What a run loaded, pipeline by pipeline."""

    def schema_of(self, table: str) -> Schema | None:
        """Schema of `schema.table`, or None where there is no such table."""

    def text_limits(self, spec: LoadSpec) -> TextLimits | None:
        """What a table takes as a text; None where there is no limit. A longer one would stop the whole load."""

    def ddl(self, spec: LoadSpec, schema: Schema) -> tuple[str, ...]:
        """Statements that would create or evolve the table; empty where it fits already.

        Raises:
            SchemaEvolutionError: the table cannot take the schema safely; says the ALTER it would take.
        """

    def export(self, table: str, folder: Path, *, current_only: bool = False) -> tuple[Path, ...]:
        """Write a table as Parquet in the types of staged files, so that a frame can read it.

        Args:
            table: `schema.table`; it must exist.
            folder: takes the files; made if need be.
            current_only: leave out closed versions of an scd2 table.

        Raises:
            TargetError: there is no such table, or it cannot be exported.
        """

    def load(self, request: LoadRequest, before_commit: Callable[[tuple[TableCount, ...]], None]) -> LoadResult:
        """Load every task of the request in one transaction, with one row in the load ledger.

        Args:
            request: the publications, their tables and the batch they came from.
            before_commit: called with the warehouse's own counts inside the transaction; an error it raises rolls back.

        Returns:
            What was done; already_loaded, and nothing changed, where the ledger holds the batch.

        Raises:
            SchemaEvolutionError: a table cannot take its publication without loss.
            TargetError: the warehouse refused; it is as it was before.
            TemporaryError: a passing fault; it is as it was before.
        """
