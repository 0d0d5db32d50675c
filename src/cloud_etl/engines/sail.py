"""Sail: a Spark Connect server in Rust, inside this process and for this process alone; no JVM."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from cloud_etl import interrupts
from cloud_etl.domain.resources import Resources, bytes_of
from cloud_etl.engines.dialect import remember_sail, speak_connect
from cloud_etl.engines.failures import quiet_client
from cloud_etl.engines.gate import Gate, GateError, can_close
from cloud_etl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import grpc  # type: ignore[import-untyped]  # grpc has no types
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    from cloud_etl.domain.environment import EngineSpec


_MOST_IDLE_SECONDS = 365 * 24 * 3600


class Engine:
    """A Sail server on a free port of this machine, and a session with it."""

    def __init__(
        self, spec: EngineSpec, cores: int, scratch: Path, store_settings: Mapping[str, str] | None = None
    ) -> None:
        """Store the settings; the server is in this process and reads files of this machine alone."""
        self._spec = spec
        self._cores = cores
        self._scratch = scratch
        self._server: SparkConnectServer | None = None
        self._gate: Gate | None = None
        self._session: SparkSession | None = None
        self._channel: grpc.Channel | None = None

    def start(self) -> SparkSession:
        """Start the server and give a session in UTC with ANSI mode on.

        Raises:
            EngineError: the server does not start or does not answer.
        """
        spill = self._scratch / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        # Sail reads its settings from the environment when a server starts, and its log level at the first one.
        os.environ.update(_settings(self._spec, self._cores, spill))
        os.environ.setdefault("RUST_LOG", "error")
        from pysail.spark import SparkConnectServer
        from pyspark.errors import PySparkException

        try:
            self._server = SparkConnectServer("127.0.0.1", 0)
            self._server.start(background=True)
            self._session = self._connected(self._server)
            remember_sail(self._session)
        except GateError as exc:
            self.stop()
            raise EngineError(
                f"the sail engine was stopped: {exc}. Nothing was read. Sail asks nobody for a key: find out who "
                "reaches for its port on this machine, then run again."
            ) from exc
        except (OSError, RuntimeError, PySparkException) as exc:
            self.stop()
            raise EngineError(
                f"the sail engine did not start: {type(exc).__name__}: {exc}. Nothing was read; "
                "check that pysail is installed and that a port of 127.0.0.1 can be opened."
            ) from exc
        return self._session

    def fit(self, size_bytes: int) -> None:
        """Nothing: Sail has a partition per core whatever the size."""

    def abandon(self) -> None:
        """Make the calls that are under way fail: Sail itself does not stop a query, but nobody has to wait for it."""
        if self._channel is not None:
            self._channel.close()

    def stop(self) -> None:
        """Stop session and server; calling it twice is harmless."""
        session, self._session = self._session, None
        server, self._server = self._server, None
        gate, self._gate = self._gate, None
        try:
            if session is not None:
                # After Ctrl-C the server may be gone before its session: nothing is lost by that.
                with quiet_client():
                    session.stop()
        finally:
            if gate is not None:
                gate.close()
            # Its end would wait for the query that was abandoned; here it ends with the process.
            if server is not None and server.running and not interrupts.requested():
                server.stop()

    def _connected(self, server: SparkConnectServer) -> SparkSession:
        address = server.listening_address
        if address is None:
            raise RuntimeError("the server has no address")
        if not can_close():
            return _connect(f"{address[0]}:{address[1]}", self._keep)
        # Before anything else: until then the port answers everybody.
        self._gate = Gate(address[1])
        return _connect(self._gate.target, self._keep)

    def _keep(self, channel: grpc.Channel) -> None:
        # From the first call on, so that an engine can be abandoned while it starts.
        self._channel = channel


def _settings(spec: EngineSpec, cores: int, spill: Path) -> dict[str, str]:
    """Environment variables of Sail; figures measured on 10 M rows, see docs/adr/0004-marked-rows.md."""
    resources = Resources(bytes_of(spec.memory), cores)
    return {
        # Without a pool Sail takes what it can get.
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(resources.engine_pool_bytes),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": f'["{spill}"]',
        # The engine may wait for hours, for a large batch to be read or loaded; 15 minutes would end its session.
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(_MOST_IDLE_SECONDS),
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(cores),
        "TOKIO_WORKER_THREADS": str(cores),
        "SAIL_EXECUTION__BATCH_SIZE": str(resources.batch_rows),
        "SAIL_PARQUET__COMPRESSION": "zstd(1)",
        "SAIL_PARQUET__STATISTICS_ENABLED": "chunk",
        "SAIL_PARQUET__MAX_ROW_GROUP_SIZE": str(resources.row_group_rows),
        "SAIL_PARQUET__DICTIONARY_PAGE_SIZE_LIMIT": "262144",
        # The embedded Arrow schema would make large_string out of every text column for its readers.
        "SAIL_PARQUET__SKIP_ARROW_METADATA": "true",
    }


def _connect(target: str, opened: Callable[[grpc.Channel], None]) -> SparkSession:
    from pyspark.sql.connect.client import ChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    class Channel(ChannelBuilder):
        """A channel to any address that gRPC knows; PySpark's own builder takes TCP alone."""

        @property
        def host(self) -> str:
            return target

        def toChannel(self) -> grpc.Channel:  # noqa: N802 - PySpark's name
            channel = self._insecure_channel(target)
            opened(channel)
            return channel

    speak_connect()
    # It is what `SparkSession.builder.remote` makes, and has every method of its namesake.
    made = ConnectSession.builder.channelBuilder(Channel()).create()  # type: ignore[arg-type]  # it takes any builder
    session = cast("SparkSession", made)
    # The server is in this process: when it does not answer it is dead, and ten minutes of retries tell no more.
    session.client.set_retry_policies([DefaultPolicy(max_retries=3, initial_backoff=50, max_backoff=500)])
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.ansi.enabled", "true")
    return session
