"""The address of a store, small enough to be sent to another machine and opened there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from pathlib import Path

    from cloud_etl.domain.environment import S3Spec


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Url and settings of a store; what is not in the settings comes from the machine that opens it."""

    url: str
    s3: S3Spec
    root: Path

    def open(self) -> ObjectStore:
        """The store; connects when it is first used."""
        return ObjectStore.open(self.url, self.s3, self.root)
