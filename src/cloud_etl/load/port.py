"""What a warehouse must offer to the pipeline."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadRequest, LoadResult
    from cloud_etl.domain.schema import Schema
    from cloud_etl.domain.spec import LoadSpec


class Loader(Protocol, AbstractContextManager["Loader"]):
    """Loads publications into the tables of a warehouse; used as a context manager that holds the connection."""

    def loaded_files(self, pipeline: str) -> frozenset[str]:
        """Identities (FileRef.identity) of all source files that are loaded for that pipeline."""

    def schema_of(self, table: str) -> Schema | None:
        """Schema of `schema.table`, or None where there is no such table."""

    def ddl(self, spec: LoadSpec, schema: Schema) -> tuple[str, ...]:
        """Statements that would create or evolve the table; empty where it fits already.

        Raises:
            SchemaEvolutionError: the table cannot take the schema safely; says the ALTER it would take.
        """

    def load(self, request: LoadRequest, before_commit: Callable[[tuple[TableCount, ...]], None]) -> LoadResult:
        """Load every task of the request in one transaction, with one row in the load ledger.

        Args:
            before_commit: called with the warehouse's own counts inside the transaction; an error it raises rolls back.

        Raises:
            TargetError: the warehouse refused; it is as it was before.
            TemporaryError: a passing fault; it is as it was before.
        """
