"""A lease object that keeps two runs of one pipeline apart."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from cloud_etl.domain.dataclass_json import decode, parsed
from cloud_etl.domain.printable import printable
from cloud_etl.errors import (
    CloudEtlError,
    LeaseHeldError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    TargetError,
)
from cloud_etl.state.holder import Holder, Lost

if TYPE_CHECKING:
    from cloud_etl.storage.object_store import ObjectStore

LEASES = "leases"
TTL_SECONDS = 120.0
# Renewed three times before it would expire: two renewals in a row may fail.
_RENEWALS_PER_TTL = 3
_CLOSE_SECONDS = 5.0
# It follows the clock in milliseconds; one that is far ahead was not written by a run, and leaves no room above it.
_MOST_FENCE = 1 << 60


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Lease:
    """Context manager that holds `leases/<pipeline>.json` and renews it from a thread.

    Taken by a conditional write, so of any number of takers exactly one wins. The object stays when the lease is
    released: S3 can replace on a condition, but not delete. Machines must agree on the time to well under ttl_seconds;
    `check` also notices when they do not.

    Each holder has a higher `fence` than all before it. It follows the clock, so that it grows even where somebody
    has deleted the object. A holder that did not release the lease is handed on as unsettled, until the run that
    comes after it has seen to what it left.
    """

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        run_id: str,
        ttl_seconds: float = TTL_SECONDS,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Store what to take; nothing is taken yet."""
        self._store = store
        self._pipeline = pipeline
        self._run_id = run_id
        self._ttl = timedelta(seconds=ttl_seconds)
        self._clock = clock
        self._key = f"{LEASES}/{pipeline}.json"
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._renewer: threading.Thread | None = None
        self._mine: Holder | None = None
        self._etag = ""
        self._fence = 0
        self._unsettled: tuple[Lost, ...] = ()

    def __enter__(self) -> Self:
        """Take the lease.

        Raises:
            LeaseHeldError: another run holds it; says which, where, since when and until when.
            TargetError: the store refuses writes.
        """
        now = self._clock()
        mine = Holder.this_process(self._run_id, secrets.token_hex(8), now, now + self._ttl)
        self._etag, self._mine = self._take(mine)
        self._fence, self._unsettled = self._mine.fence, self._mine.unsettled
        self._renewer = threading.Thread(target=self._keep_renewing, name=f"lease-{self._pipeline}", daemon=True)
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing and release; a lease that was lost, or a store that is gone, is no error here."""
        self._ended.set()
        if self._renewer is not None:
            self._renewer.join(_CLOSE_SECONDS)
        try:
            self._write(released=True)
        except CloudEtlError:
            return  # It expires by itself, or has another holder.

    @property
    def fence(self) -> int:
        """Number of this holder; 0 before the lease is taken."""
        return self._fence

    @property
    def unsettled(self) -> tuple[Lost, ...]:
        """Earlier holders of which something may be left."""
        return self._unsettled

    def settle(self, still: Iterable[Lost]) -> None:
        """Tell which earlier holders must be looked after by later runs, too; written with the next renewal."""
        self._unsettled = tuple(still)

    def abandon(self) -> None:
        """Release from another thread than that of the run, which hangs; what it left is for the next run to see to."""
        self.settle((*self._unsettled, Lost(self._run_id, self._clock(), is_dead=True)))
        with contextlib.suppress(CloudEtlError):
            self._write(released=True)

    def check(self) -> None:
        """Prove that the lease is still ours, and renew it; called before what cannot be undone.

        Raises:
            LeaseHeldError: another run took it after it had expired; this run must not commit.
            TemporaryError: the store cannot be reached to tell.
        """
        self._write(released=False)

    def _take(self, mine: Holder) -> tuple[str, Holder]:
        mine = dataclasses.replace(mine, fence=int(mine.since.timestamp() * 1000))
        try:
            found = self._store.get(self._key)
        except ObjectMissingError:
            try:
                return self._store.write(self._key, _to_json(mine), once=True), mine
            except ObjectExistsError:
                found = self._store.get(self._key)
        holder = _from_json(found.data)
        if holder is None:
            raise TargetError(
                f"{self._store.uri(self._key)} is not a lease that this version can read. Nothing was run. "
                "When no run of the pipeline is under way, delete that object and run again."
            )
        if holder.token == mine.token:
            return found.etag, mine  # Our own write, whose answer was lost on the way.
        if not holder.is_free(mine.since):
            raise self._held(holder)
        mine = _after(holder, mine)
        try:
            return self._store.replace(self._key, _to_json(mine), found.etag), mine
        except ObjectChangedError as exc:
            return self._own_write_or_fail(mine, exc), mine

    def _write(self, *, released: bool) -> None:
        with self._lock:
            if self._mine is None:
                return
            renewals = self._mine.renewals + 1
            mine = dataclasses.replace(
                self._mine,
                expires_at=self._clock() + self._ttl,
                renewals=renewals,
                released=released,
                unsettled=self._unsettled,
            )
            try:
                self._etag = self._store.replace(self._key, _to_json(mine), self._etag)
            except ObjectChangedError as exc:
                self._etag = self._own_write_or_fail(mine, exc)
            self._mine = None if released else mine

    def _own_write_or_fail(self, mine: Holder, exc: ObjectChangedError) -> str:
        # A write that is retried after its answer was lost meets its own first try.
        try:
            found = self._store.get(self._key)
        except ObjectMissingError:
            raise LeaseHeldError(
                f"the lease of {self._pipeline} was deleted during run {self._run_id}. Nothing more was committed. "
                "Make sure that no other run is under way, and run again."
            ) from exc
        holder = _from_json(found.data)
        if holder is not None and holder.token == mine.token:
            return found.etag
        raise self._held(holder) from exc

    def _held(self, holder: Holder | None) -> LeaseHeldError:
        if holder is None:
            return LeaseHeldError(f"the lease of {self._pipeline} was overwritten by something unknown. Run again.")
        until = f"{holder.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        return LeaseHeldError(
            f"{self._pipeline} is being run by {printable(holder.run_id)} (host {printable(holder.host)}, process "
            f"{holder.pid}) since {holder.since:%Y-%m-%d %H:%M:%S} UTC. Run {self._run_id} committed nothing. "
            f"Wait until that run ends; should it have died, its lease ends by itself at {until}."
        )

    def _keep_renewing(self) -> None:
        pause = self._ttl.total_seconds() / _RENEWALS_PER_TTL
        while not self._ended.wait(pause):
            try:
                self._write(released=False)
            except LeaseHeldError:
                return  # `check` tells the run.
            except CloudEtlError:
                continue  # A passing fault; the next renewal may get through.


def _after(earlier: Holder, mine: Holder) -> Holder:
    """The holder that comes after another one: a higher fence, and its predecessors to look after."""
    unsettled = earlier.unsettled
    if not earlier.released:
        unsettled = (*unsettled, Lost(earlier.run_id, mine.since, earlier.is_dead()))
    return dataclasses.replace(mine, fence=max(mine.fence, earlier.fence + 1), unsettled=unsettled)


def _to_json(holder: Holder) -> bytes:
    return json.dumps(dataclasses.asdict(holder), default=datetime.isoformat, indent=1).encode()


def _from_json(data: bytes) -> Holder | None:
    try:
        holder = cast("Holder", decode(Holder, parsed(data)))
    except ValueError:
        return None
    return holder if 0 <= holder.fence < _MOST_FENCE else None
