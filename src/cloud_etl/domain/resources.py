"""How the memory and the cores of a run are shared out among the parts of it, most of which take turns."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
LEAST_BYTES = 512 * MIB
_UNITS = {"MB": MIB, "GB": 1024 * MIB}
# Python, pyarrow, DuckDB and Sail before they hold a row, as far as no other process has their pages in memory.
_BASE_BYTES = 256 * MIB
# A JVM with Spark works well with as much, and leaves no more than that to the rest of a run where memory is ample.
_USUAL_JVM_BYTES, _MOST_BESIDE_JVM_BYTES = 1152 * MIB, 2048 * MIB
# What a byte of text costs on its way through a worker: lines, columns of text, typed columns, Parquet.
_READER_BYTES_PER_BYTE = 6
# Beyond what the run itself takes: for a pipeline to be quick beside others, and for it to work at all.
_USUAL_PIPELINE_BYTES, _LEAST_PIPELINE_BYTES = 512 * MIB, 128 * MIB


def bytes_of(size: str) -> int:
    """Bytes of a size as a person writes it, `512MB` or `4GB`, in powers of 1024."""
    return int(size[:-2]) * _UNITS[size[-2:]]


@dataclass(frozen=True, slots=True)
class Resources:
    """What the process tree of a run may use.

    Attributes:
        memory_bytes: bound of the whole tree; shares are for things that do not run at the same time, unless said.
        cores: most threads of a stage.
    """

    memory_bytes: int
    cores: int

    @property
    def usual_jobs(self) -> int:
        """How many pipelines run side by side where nobody says so."""
        return max(1, min(self.cores, self._working_bytes // _USUAL_PIPELINE_BYTES))

    @property
    def most_jobs(self) -> int:
        """How many pipelines there is memory for at the same time."""
        return max(1, self._working_bytes // _LEAST_PIPELINE_BYTES)

    def shared_by(self, jobs: int) -> Resources:
        """What each of some pipelines may use that run side by side: together they use no more than one alone."""
        working = self._working_bytes // jobs
        return Resources(self.memory_bytes - self._working_bytes + working, max(1, self.cores // jobs))

    @property
    def engine_pool_bytes(self) -> int:
        """Memory pool of Sail; its buffers for Parquet and its network are not in the pool and take as much again."""
        return max(64 * MIB, self._working_bytes * 11 // 20)

    @property
    def jvm_bytes(self) -> int:
        """All that a JVM beside this process may take: heap, classes, compiled code, buffers.

        It holds its heap while DuckDB looks at the written rows and loads them, so both must fit.
        """
        beside = min(self._working_bytes // 2, _MOST_BESIDE_JVM_BYTES)
        return max(min(self._working_bytes, _USUAL_JVM_BYTES), self._working_bytes - beside)

    @property
    def query_bytes(self) -> int:
        """Limit of a DuckDB connection: SQL over Parquet, and the load into a DuckDB file. Sail holds its pages too."""
        return max(64 * MIB, self._working_bytes // 2)

    @property
    def caster_bytes(self) -> int:
        """Limit of the DuckDB connection that each worker of the reader has."""
        return max(64 * MIB, min(512 * MIB, self._working_bytes // 2 // self.cores))

    @property
    def segment_bytes(self) -> int:
        """Text that a worker of the reader takes at a time; each has one more waiting."""
        held = (2 * self.cores + 1) * _READER_BYTES_PER_BYTE
        return max(MIB, min(16 * MIB, self._working_bytes // 2 // held))

    @property
    def decode_bytes(self) -> int:
        """What rows of Parquet may take while the reader decodes them, beside the segments that its workers hold."""
        return max(64 * MIB, self._working_bytes // 2)

    @property
    def row_group_rows(self) -> int:
        """Rows that Sail's writer holds for each open file before it writes them."""
        return max(65_536, min(1_048_576, self.memory_bytes // 4096))

    @property
    def batch_rows(self) -> int:
        """Rows that Sail hands from one operator to the next; large ones are faster and held many times over."""
        return 32_768 if self.memory_bytes >= 1024 * MIB else 8_192

    @property
    def _working_bytes(self) -> int:
        return max(0, self.memory_bytes - _BASE_BYTES)
