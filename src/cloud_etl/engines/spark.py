"""Apache Spark: in a JVM of its own on this machine, on a cluster, or behind Spark Connect."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud_etl.engines import spark_settings as settings
from cloud_etl.engines.dialect import speak_classic, speak_connect
from cloud_etl.engines.jar_checksums import check_jars, pinned
from cloud_etl.engines.java import require_java
from cloud_etl.engines.s3a import PREFIX, jar_cache, pinned_packages
from cloud_etl.engines.spark_executors import require_executors
from cloud_etl.engines.spark_settings import Master
from cloud_etl.errors import EngineError
from cloud_etl.storage.lock import locked

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway  # type: ignore[import-untyped]  # py4j has no types
    from pyspark.sql import SparkSession

    from cloud_etl.domain.environment import EngineSpec

_STOP_SECONDS = 20
_CONNECT_SECONDS = 10
# Settings that the start script of the JVM must see; others may hold secrets, and a command line is seen by all.
_OF_THE_JVM = ("spark.driver.", "spark.jars", "spark.submit.", "spark.master", "spark.local.dir", "spark.app.name")
# Those that spark-submit alone decides on, for a run that it started; committers come with its jars.
_COMMITTERS = ("spark.sql.sources.commitProtocolClass", "spark.sql.parquet.output.committer.class")
_OF_SPARK_SUBMIT = (*_OF_THE_JVM, *_COMMITTERS, "spark.executor.", "spark.dynamicAllocation.", "spark.archives")
# Set by spark-submit for the Python that it starts.
SUBMITTED = "PYSPARK_GATEWAY_PORT"


def master_of(spec: EngineSpec) -> Master:
    """Where the Spark of an engine runs; for a run that spark-submit started, where it was submitted to.

    Raises:
        EngineError: engine.master is no address that Spark knows.
    """
    if SUBMITTED not in os.environ:
        return Master.parse(spec, spec.cores or 1)
    from pyspark import SparkConf
    from pyspark.java_gateway import launch_gateway

    # The gateway is that of the JVM which started this process.
    gateway = launch_gateway()  # type: ignore[no-untyped-call]  # PySpark has no types for it
    return Master(SparkConf(_jvm=gateway.jvm).get("spark.master", "local[*]") or "local[*]")


class Engine:
    """A Spark application of this process, or a session with a Spark Connect server."""

    def __init__(
        self, spec: EngineSpec, cores: int, scratch: Path, store_settings: Mapping[str, str] | None = None
    ) -> None:
        """Store the settings; scratch is where the engine may spill."""
        self._spec = spec
        self._cores = cores
        self._scratch = scratch
        self._store_settings = dict(store_settings or {})
        self._gateway: JavaGateway | None = None
        self._session: SparkSession | None = None
        self._joined = False

    def start(self) -> SparkSession:
        """Start Spark and give a session in UTC with ANSI mode on.

        Raises:
            EngineError: no Java, no such master, or Spark does not come up.
        """
        if SUBMITTED in os.environ:
            self._session = self._attached()
            return self._session
        master = Master.parse(self._spec, self._cores)
        self._session = self._connected(master) if master.is_connect else self._launched(master)
        return self._session

    def abandon(self) -> None:
        """Make the calls that are under way fail: the JVM that is ours is ended, a server is left."""
        if self._gateway is not None:
            self._gateway.proc.kill()
        elif self._session is not None and hasattr(self._session, "client"):
            self._session.client._channel.close()

    def fit(self, size_bytes: int) -> None:
        """Choose the number of shuffle partitions for input of that size, unless it is set."""
        if self._session is not None and self._spec.shuffle_partitions is None:
            wanted = settings.shuffle_partitions(size_bytes, self._cores)
            self._session.conf.set("spark.sql.shuffle.partitions", str(wanted))

    def stop(self) -> None:
        """End the application and its JVM, or leave the server; calling it twice is harmless."""
        session, self._session = self._session, None
        gateway, self._gateway = self._gateway, None
        if session is not None and gateway is None and not self._joined:
            session.stop()
        if gateway is not None:
            _end_jvm(gateway)

    def _connected(self, master: Master) -> SparkSession:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

        speak_connect()
        try:
            # The client would try for ten minutes before it says that nobody answers.
            socket.create_connection(master.address, _CONNECT_SECONDS).close()
            session: SparkSession = SparkSession.builder.remote(master.url).create()
            for name, value in self._session_settings.items():
                session.conf.set(name, value)
            for name, value in self._store_settings.items():
                # What a session sets reaches Hadoop under its own name; the jars are those of the server.
                if name.startswith(PREFIX):
                    session.conf.set(name.removeprefix(PREFIX), value)
        except (OSError, PySparkException) as exc:
            raise _not_started(settings.shown(master.url), type(exc).__name__) from None
        return session

    def _launched(self, master: Master) -> SparkSession:
        if (running := self._running()) is not None:
            return running
        wanted = self._settings(master)
        require_java()
        (self._scratch / "spill").mkdir(parents=True, exist_ok=True)
        if self._spec.event_log is not None and "://" not in self._spec.event_log:
            _make_event_log(Path(self._spec.event_log))
        # A log file instead of the terminal: what a JVM says before its log is set up, and when it dies.
        log = self._scratch / "spark.log"
        speak_classic()
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # py4j has no types
        from pyspark.errors import PySparkException

        try:
            with _undisturbed():
                self._gateway = _started(wanted, log)
                _check_fetched(self._gateway, wanted)
                session = _session(self._gateway, wanted, sys.executable if master.is_here else None)
            require_executors(session, master)
            return session
        except EngineError:
            self.stop()
            raise
        except (OSError, Py4JError, PySparkException) as exc:
            said = _last_words(log) or _reason(exc)
            self.stop()
            raise _not_started(settings.shown(master.url), said) from None

    def _attached(self) -> SparkSession:
        """A session in the JVM that spark-submit started this process from, with the master and sizes it was given."""
        speak_classic()
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.java_gateway import launch_gateway

        wanted = self._session_settings | self._store_settings | settings.as_text(self._spec.config)
        open_to_change = {name: value for name, value in wanted.items() if not name.startswith(_OF_SPARK_SUBMIT)}
        try:
            with _undisturbed():
                # The gateway is not kept: the JVM is not this engine's to end.
                gateway = launch_gateway()  # type: ignore[no-untyped-call]  # PySpark has no types for it
                return _session(gateway, open_to_change, None)
        except (OSError, Py4JError, PySparkException) as exc:
            raise _not_started("the master of spark-submit", type(exc).__name__) from None

    def _running(self) -> SparkSession | None:
        """A session of its own in the Spark that this process has already: PySpark knows one application per process.

        It is a notebook's, or that of another engine of this process, and is left running by `stop`.
        """
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        if SparkContext._active_spark_context is None:
            return None
        self._joined = True
        _hush_row_values()
        speak_classic()
        session: SparkSession = SparkSession(SparkContext._active_spark_context).newSession()
        for name, value in self._session_settings.items():
            if session.conf.isModifiable(name):
                session.conf.set(name, value)
        return session

    @property
    def _session_settings(self) -> dict[str, str]:
        return settings.session_settings(self._spec, self._cores) | settings.as_text(self._spec.config)

    def _settings(self, master: Master) -> dict[str, str]:
        spec = self._spec
        return {
            **settings.session_settings(spec, self._cores),
            **settings.context_settings(spec, master, self._scratch),
            **settings.memory_settings(spec, master),
            **settings.jar_settings(spec),
            **self._store_settings,
            **settings.as_text(spec.config),
        }


def _make_event_log(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise EngineError(
            f"engine.event_log {folder} cannot be made: {exc.strerror or exc}. Nothing was read; name a folder that "
            "this user may write to, or leave it out."
        ) from None


def _started(wanted: Mapping[str, str], log: Path) -> JavaGateway:
    """A JVM; those that look for jars in one place start one after the other, for Ivy knows no lock."""
    ivy = wanted.get("spark.jars.ivy")
    if ivy is None:
        return _start_jvm(wanted, log)
    with locked(Path(ivy) / "lock"):
        # Before a JVM has them on its path, and again when it is known which it took.
        check_jars(path for path in (Path(ivy) / "jars").glob("*.jar") if path.name in pinned())
        return _start_jvm(wanted, log)


def _check_fetched(gateway: JavaGateway, wanted: Mapping[str, str]) -> None:
    """Look at the jars that a JVM has taken, before Spark starts in it.

    Raises:
        EngineError: one of them is not what it should be.
    """
    if wanted.get("spark.jars.packages") == pinned_packages():
        taken = gateway.jvm.java.lang.System.getProperty("spark.jars") or ""
        check_jars(Path(urlsplit(jar).path) for jar in taken.split(",") if jar)


def _start_jvm(wanted: Mapping[str, str], log: Path) -> JavaGateway:
    from pyspark import SparkConf
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf(loadDefaults=False)
    for name, value in wanted.items():
        if name.startswith(_OF_THE_JVM):
            conf.set(name, value)
    with log.open("wb") as stream:
        gateway: JavaGateway = launch_gateway(  # type: ignore[no-untyped-call]  # PySpark has no types for it
            conf, {"stdout": stream, "stderr": subprocess.STDOUT}
        )
    return gateway


def _session(gateway: JavaGateway, wanted: Mapping[str, str], python: str | None) -> SparkSession:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    conf = SparkConf(_jvm=gateway.jvm)
    for name, value in wanted.items():
        conf.set(name, value)
    context = SparkContext(conf=conf, gateway=gateway)
    # Else the first python3 on the path of an executor, which need not have the libraries of this one.
    named = wanted.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON", python)
    if named is not None:
        context.pythonExec = named
    return SparkSession(context)


def _end_jvm(gateway: JavaGateway) -> None:
    from py4j.protocol import Py4JError
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context = SparkContext._active_spark_context
    try:
        with contextlib.suppress(Py4JError, OSError):
            if context is not None:
                context.stop()
            gateway.shutdown()
    finally:
        # PySpark keeps them for the next session, which would talk to a JVM that has gone.
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None
        # The JVM ends with its standard input.
        process: subprocess.Popen[bytes] | None = gateway.proc
        if process is not None and process.stdin is not None:
            process.stdin.close()
            _wait_for(process)


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Undo what starting Spark changes in this process: the handler of Ctrl-C, the import path, and its chatter."""
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    _hush_row_values()
    path = list(sys.path)
    here = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if here else None
    try:
        yield
    finally:
        sys.path[:] = path
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


def _hush_row_values() -> None:
    """Keep PySpark from printing each failure to stderr, with the value that a row failed on."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL)


def _last_words(log: Path) -> str:
    """The first error that a JVM told, without its stack trace."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    chatter = ("at ", "WARN", "Using ", "Setting ", "To adjust ")
    words = [line for line in map(str.strip, lines) if "Exception" in line or "Error" in line or "Invalid" in line]
    return next((line for line in words if not line.startswith(chatter)), "")[:300].rstrip(".")


def _reason(exc: Exception) -> str:
    """What the JVM says of an error, one line of it; the error's name where it says nothing."""
    from py4j.protocol import Py4JError

    told = ""
    if (thrown := getattr(exc, "java_exception", None)) is not None:
        with contextlib.suppress(Py4JError, OSError):
            told = str(thrown.getMessage() or "").strip()
    return told.splitlines()[0][:200].rstrip(".") if told else type(exc).__name__


def _not_started(master: str, said: str) -> EngineError:
    if "unresolved dependency" in said:
        return EngineError(
            "the spark engine did not start: its jars for S3 are not on this machine and could not be fetched. Nothing "
            f"was read; they are fetched once, so start with a network, or copy {jar_cache() / 'jars'} from a machine "
            "that has them and name it as engine.jars; engine.jars: provided is for clusters that bring them."
        )
    return EngineError(
        f"the spark engine did not start on {master}: {said}. Nothing was read; "
        "check engine.master and engine.config, and that the address answers."
    )
