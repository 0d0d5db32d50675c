"""See that a standalone master gives a run executors: Spark itself waits for them without a word."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.engines.spark_settings import Master, shown
from cloud_etl.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A worker starts an executor in a few seconds; other runs may hold the workers for longer.
PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.2


def require_executors(session: SparkSession, master: Master) -> None:
    """Wait for the first executor of a standalone master.

    Raises:
        EngineError: none came; says what an executor asks for.
    """
    if not master.url.startswith("spark://"):
        return
    context = session.sparkContext
    ends = time.monotonic() + PATIENCE_SECONDS
    # The driver counts as one.
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:
        if time.monotonic() > ends:
            memory = context.getConf().get("spark.executor.memory", "")
            cores = context.getConf().get("spark.executor.cores", "all")
            raise EngineError(
                f"{shown(master.url)} gave no executor within {PATIENCE_SECONDS:.0f} s: no worker is there, none has "
                f"{memory} of memory and {cores} cores, or other applications hold them. Nothing was read; lower "
                "engine.memory or engine.cores, or run again when the cluster has room."
            )
        interrupts.pause(_LOOK_SECONDS)
