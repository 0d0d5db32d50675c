"""Create, hand out and stop the PySpark session of a run."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Self

from cloud_etl import backends, interrupts
from cloud_etl.engines.dialect import open_for_reading, speak_again, speak_to, spoken
from cloud_etl.errors import CloudEtlError, RunInterruptedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from pyspark.sql import SparkSession

    from cloud_etl.domain.environment import EngineSpec
    from cloud_etl.engines.port import Engine

_LOOK_SECONDS = 0.2
_ABANDONED_SECONDS = 2.0


class SparkManager:
    """Owner of the engine; the engine starts when the session is first asked for.

    Used as a context manager, so that the engine ends with the run whatever happens.
    """

    def __init__(
        self, spec: EngineSpec, cores: int, scratch: Path, store_settings: Mapping[str, str] | None = None
    ) -> None:
        """Store the settings.

        Args:
            spec: which engine, and its memory.
            cores: threads the engine may use.
            scratch: folder where it may spill.
            store_settings: how Hadoop's S3 client reaches the store; needed by engines whose workers read it.
        """
        self._spec = spec
        self._cores = cores
        self._scratch = scratch
        self._store_settings = store_settings
        self._engine: Engine | None = None
        self._session: SparkSession | None = None
        self._spoken_before: str | None = None
        self._starting = threading.Lock()
        self._early = False
        self._largest = 0
        self._watched = contextlib.ExitStack()

    def start_early(self) -> None:
        """Start the engine in the background, while the caller does what needs no session; once is enough.

        An engine that does not start says so when the session is asked for.
        """
        if self._early:
            return
        self._early = True
        # pyarrow and pandas import one another: two threads must not be the first to do so.
        import pyarrow  # noqa: F401 - for its effect

        def start() -> None:
            with contextlib.suppress(CloudEtlError, RunInterruptedError):
                _ = self.session

        threading.Thread(target=start, name="engine-start", daemon=True).start()

    @property
    def name(self) -> str:
        """Name of the engine."""
        return self._spec.name

    @property
    def session(self) -> SparkSession:
        """The session, in UTC with ANSI mode on.

        Raises:
            UsageError: no engine has that name.
            EngineError: the engine cannot be started.
        """
        interrupts.check()
        with self._alone():
            if self._session is None:
                if self._engine is None:
                    self._spoken_before = spoken()
                self._engine = self._find()
                self._session = self._started(self._engine)
                if self._spec.sql_reads == "anything":
                    open_for_reading(self._session)
            # Another engine of this process may have been in use since.
            speak_to(self._session)
            return self._session

    def fit(self, size_bytes: int, *, is_alone: bool = True) -> None:
        """Prepare the engine for a batch of that many bytes of Parquet; starts it if need be.

        Args:
            size_bytes: size of the batch.
            is_alone: whether no other batch is under way; else the engine stays fit for the largest one so far.
        """
        _ = self.session
        if not is_alone:
            size_bytes = self._largest = max(self._largest, size_bytes)
        if self._engine is not None:
            self._engine.fit(size_bytes)

    def stop(self) -> None:
        """Stop the engine; calling it twice is harmless, and the next `session` starts a new one.

        PySpark serves the sessions of its caller, if any, as it did before.
        """
        # An engine that starts in the background and is abandoned meanwhile ends with the process at the latest.
        held = self._starting.acquire(timeout=_ABANDONED_SECONDS if interrupts.requested() else -1)
        engine, self._engine, self._session = self._engine, None, None
        if held:
            self._starting.release()
        if engine is not None:
            try:
                engine.stop()
            finally:
                speak_again(self._spoken_before)

    def __enter__(self) -> Self:
        """Give the manager; nothing is started yet."""
        self._watched.enter_context(interrupts.stoppable(self._abandon))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the engine."""
        self._watched.close()
        self.stop()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for the thread that starts the engine, unless the process is asked to end."""
        while not self._starting.acquire(timeout=_LOOK_SECONDS):
            interrupts.check()
        try:
            yield
        finally:
            self._starting.release()

    @staticmethod
    def _started(engine: Engine) -> SparkSession:
        try:
            return engine.start()
        except Exception:
            # What was abandoned fails in every way.
            interrupts.check()
            raise

    def _abandon(self) -> None:
        if self._engine is not None:
            self._engine.abandon()

    def _find(self) -> Engine:
        engine: Engine = backends.backend(backends.ENGINES, self._spec.name, "Engine")(
            self._spec, self._cores, self._scratch, self._store_settings
        )
        return engine
