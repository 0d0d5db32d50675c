"""Settings of Apache Spark: those that keep its tables equal to Sail's, and those that bound what it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud_etl.domain.environment import PROVIDED_JARS
from cloud_etl.domain.resources import MIB, Resources, bytes_of
from cloud_etl.errors import EngineError

if TYPE_CHECKING:
    from cloud_etl.domain.environment import EngineSpec

LOOPBACK = "127.0.0.1"
_CONNECT_PORT = 15002
_LOCAL = re.compile(r"local(\[(\*|[1-9]\d*)(,\s*\d+)?\])?")
_CLUSTERS = ("spark://", "k8s://", "yarn")
# What a JVM with Spark takes beside its heap: classes, compiled code, threads, buffers of network and compression.
_BESIDE_HEAP_MIB, _BESIDE_HEAP_SHARE = 256, 0.25
_SMALLEST_HEAP_MIB = 512
# Staged Parquet takes four to six times its size in a shuffle; a task of 64 MB sorts in memory with a small heap.
_SHUFFLE_BYTES = 64 * MIB
_GROWTH = 5
_MOST_PARTITIONS = 4096


@dataclass(frozen=True, slots=True)
class Master:
    """Where Spark runs."""

    url: str

    @classmethod
    def parse(cls, spec: EngineSpec, cores: int) -> Master:
        """The master of an engine; `local[*]` takes the cores that the engine may use.

        Raises:
            EngineError: it is no address that Spark knows.
        """
        url = spec.master or "local[*]"
        if found := _LOCAL.fullmatch(url):
            return cls(f"local[{cores if found[2] in (None, '*') else found[2]}]")
        if url.startswith((*_CLUSTERS, "sc://")):
            return cls(url)
        raise EngineError(
            f"engine.master {shown(url)!r} is no Spark master. Nothing was read; "
            "write local[*], local[4], spark://host:7077, yarn, k8s://https://host:6443 or sc://host:15002."
        )

    @property
    def is_local(self) -> bool:
        """Whether driver and executor are one process of this machine."""
        return self.url.startswith("local")

    @property
    def is_connect(self) -> bool:
        """Whether Spark runs already, and is talked to."""
        return self.url.startswith("sc://")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of a Spark Connect server."""
        parts = urlsplit(self.url.split(";")[0])
        return parts.hostname or LOOPBACK, parts.port or _CONNECT_PORT

    @property
    def is_here(self) -> bool:
        """Whether executors run on this machine and see its files."""
        return self.is_local or (urlsplit(self.url).hostname or "") in (LOOPBACK, "localhost", "::1")


def shown(url: str) -> str:
    """A master's address without what may be a token or a password."""
    return re.sub(r"//[^/@]*@", "//", url.split(";")[0])


def session_settings(spec: EngineSpec, cores: int) -> dict[str, str]:
    """Settings that a session may change, the same on every master; they decide what comes out."""
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": str(spec.shuffle_partitions or cores),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # In Spark 4.2.0 a Python function over Parquet columns waits for ever: the worker reads another protocol.
        "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false",
        # Rows go to an open file per folder instead of being sorted by folder first.
        "spark.sql.maxConcurrentOutputFileWriters": "24",
    }


def context_settings(spec: EngineSpec, master: Master, scratch: Path) -> dict[str, str]:
    """Settings of an application, fixed when it starts."""
    settings = {
        "spark.master": master.url,
        "spark.app.name": "cloud-etl",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Its log quotes the rows that a task stumbled over.
        "spark.log.level": "OFF",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": (scratch / "spark-warehouse").absolute().as_uri(),
        "spark.hadoop.parquet.compression.codec.zstd.level": "1",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    }
    if master.is_local:
        # Any user of this machine reaches the driver's ports, which unpack Java objects. The secret is made in the JVM.
        settings |= {"spark.authenticate": "true", "spark.network.crypto.enabled": "true"}
    if master.is_here:
        settings |= {"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK}
        settings |= {"spark.local.dir": str(scratch / "spill")}
        # Hadoop sets the modes of what it writes, whatever the umask of its process.
        settings |= {"spark.hadoop.fs.permissions.umask-mode": "077"}
    if spec.event_log is not None:
        settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": spec.event_log}
    return settings


def memory_settings(spec: EngineSpec, master: Master) -> dict[str, str]:
    """Heap and limits beside it: on this machine Python and its JVM stay within `engine.memory`, elsewhere each JVM.

    Raises:
        EngineError: the memory is too small for a JVM with Spark.
    """
    memory_bytes = bytes_of(spec.memory)
    whole = Resources(memory_bytes, 1).jvm_bytes if master.is_local else memory_bytes
    beside = max(_BESIDE_HEAP_MIB, int(whole // MIB * _BESIDE_HEAP_SHARE))
    heap = whole // MIB - beside
    if heap < _SMALLEST_HEAP_MIB:
        missing = _SMALLEST_HEAP_MIB - heap
        raise EngineError(
            f"the spark engine needs engine.memory of {memory_bytes // MIB + missing}MB at least, and has "
            f"{spec.memory}. Nothing was read; raise it, or run on the sail engine: --engine sail"
        )
    settings = {
        "spark.driver.memory": f"{heap}m",
        "spark.driver.defaultJavaOptions": _jvm_options(),
    }
    if not master.is_local:
        settings |= {"spark.executor.memory": f"{heap}m", "spark.executor.memoryOverhead": f"{beside}m"}
        settings |= {"spark.executor.defaultJavaOptions": _jvm_options()}
        # An executor does not start when a block that is fetched to memory may be larger than its direct memory.
        settings |= {"spark.network.maxRemoteBlockSizeFetchToMem": "64m"}
        if spec.cores is not None:
            settings |= {"spark.executor.cores": str(spec.cores)}
    return settings


def jar_settings(spec: EngineSpec) -> dict[str, str]:
    """The jars of `engine.jars`.

    Raises:
        EngineError: the folder holds none.
    """
    if spec.jars is None or spec.jars == PROVIDED_JARS:
        return {}
    jars = sorted(path.absolute().as_uri() for path in Path(spec.jars).glob("*.jar"))
    if not jars:
        raise EngineError(f"engine.jars {spec.jars!r} holds no jar. Nothing was read; put them there, or leave it out.")
    return {"spark.jars": ",".join(jars)}


def _jvm_options() -> str:
    # The parallel collector spends less of two cores than G1, whose strength is short pauses.
    return (
        "-XX:+UseParallelGC -XX:MaxMetaspaceSize=256m -XX:ReservedCodeCacheSize=128m -XX:MaxDirectMemorySize=128m "
        f"-XX:+ExitOnOutOfMemoryError -Duser.timezone=UTC {_late_compilation()}"
    )


def _late_compilation() -> str:
    """Leave code that runs a few thousand times to the quick compiler: a batch of 10 M rows ends before the other pays.

    The optimising compiler took 13.6 of 62.6 CPU seconds of that batch, and takes 4.5 of 55 so; tasks take no longer.
    """
    thresholds = {"Invocation": 5_000, "MinInvocation": 600, "Compile": 15_000, "BackEdge": 40_000}
    return " ".join(f"-XX:Tier4{name}Threshold={usual * 20}" for name, usual in thresholds.items())


def shuffle_partitions(size_bytes: int, cores: int) -> int:
    """Partitions of a shuffle over that many bytes of Parquet."""
    wanted = -(-size_bytes * _GROWTH // _SHUFFLE_BYTES)
    return max(cores, min(wanted, _MOST_PARTITIONS))


def as_text(settings: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    """Settings as Spark takes them."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}
