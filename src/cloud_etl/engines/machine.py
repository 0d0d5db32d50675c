"""What this machine, or the control group the process runs in, lets a process tree have."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.resources import LEAST_BYTES, MIB, Resources, bytes_of

if TYPE_CHECKING:
    from cloud_etl.domain.environment import EngineSpec

# A bound that leaves the system, the page cache and the neighbours their part.
_SHARE = 0.7
_MOST_BYTES = 4096 * MIB
_ARENA_MAX = -8
# Freed pages go back to the system at once: a third less memory in a run's peak, for an eighth of its transform's
# processor time. So it is for small bounds alone.
_SMALL_BYTES = 2048 * MIB
_MIMALLOC = {
    "MIMALLOC_PURGE_DELAY": "0",
    "MIMALLOC_ABANDONED_PAGE_PURGE": "1",
    "MIMALLOC_ARENA_EAGER_COMMIT": "0",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory and cores that may be used at most."""

    memory_bytes: int
    cores: int

    @classmethod
    def here(cls, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Machine:
        """Look at the machine and at the control groups (v1 or v2) above this process.

        Args:
            proc: where the kernel tells about processes.
            groups: where the control groups are mounted.
        """
        memory, cores = _physical_bytes(), float(len(os.sched_getaffinity(0)))
        for folder in _folders(proc / "self" / "cgroup", groups):
            memory = min([memory, *_numbers(folder, "memory.max"), *_numbers(folder, "memory.limit_in_bytes")])
            cores = min([cores, *_quota(folder)])
        return cls(memory, max(1, math.ceil(cores)))


def resources_of(spec: EngineSpec, machine: Machine) -> Resources:
    """What a run may use: as the environment says, else what the machine has to give."""
    default = max(LEAST_BYTES, min(_MOST_BYTES, int(machine.memory_bytes * _SHARE)))
    memory = default if spec.memory == "auto" else bytes_of(spec.memory)
    return Resources(memory, spec.cores or machine.cores)


def engine_within(spec: EngineSpec, resources: Resources) -> EngineSpec:
    """The settings of an engine with its memory in figures; its cores may be those of executors, and stay."""
    return spec.model_copy(update={"memory": f"{resources.memory_bytes // MIB}MB"})


def bound_libraries(resources: Resources) -> None:
    """Keep the libraries of this process to its cores, and their allocators from holding what they freed.

    To be called before pyarrow and Sail are loaded, whose mimalloc reads its settings then.
    """
    frugal = _MIMALLOC if resources.memory_bytes < _SMALL_BYTES else {}
    for name, value in {"OMP_NUM_THREADS": str(resources.cores), **frugal}.items():
        os.environ.setdefault(name, value)
    import pyarrow as pa

    pa.set_cpu_count(resources.cores)
    _libc("mallopt", _ARENA_MAX, max(2, resources.cores))


def release_memory() -> None:
    """Give freed memory back to the system, so that the next phase finds room for its own."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    _libc("malloc_trim", 0)


def tree_cpu_seconds() -> float:
    """Processor time of this process and everything below it, such as the JVM of an engine."""
    times = os.times()
    ours = times.user + times.system + times.children_user + times.children_system
    return ours + sum(_cpu_seconds(pid) for pid in _below(os.getpid()))


def _below(pid: int) -> Iterator[int]:
    """Processes below a process; a run may have hundreds of threads, each of which is asked for its children."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - pathlib takes ten times as long
    except OSError:
        return
    for thread in threads:
        for child in map(int, _content(f"/proc/{pid}/task/{thread}/children").split()):
            yield child
            yield from _below(child)


def _content(path: str) -> bytes:
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(number, 1 << 16)
    except OSError:
        return b""
    finally:
        os.close(number)


def _cpu_seconds(pid: int) -> float:
    # The second field is the program's name in brackets, which may hold blanks and brackets.
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _libc(name: str, *arguments: int) -> None:
    """Call a function that only glibc has."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)


def _physical_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _folders(membership: Path, groups: Path) -> Iterator[Path]:
    """Folders of the groups that bind this process, from its own up to the root of each hierarchy.

    In a container the path is often that of the host and not there; then the root that is mounted is the group.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        roots = [groups / name for name in controllers.split(",")] if controllers else [groups, groups / "unified"]
        for root in roots:
            below = root / path.lstrip("/")
            yield from (folder for folder in (below, *below.parents) if folder.is_relative_to(root))


def _quota(folder: Path) -> Iterator[float]:
    text = _read(folder / "cpu.max").split()
    if len(text) == 2 and text[0] != "max":
        yield int(text[0]) / int(text[1])
    for quota in _numbers(folder, "cpu.cfs_quota_us"):
        yield from (quota / period for period in _numbers(folder, "cpu.cfs_period_us") if quota > 0)


def _numbers(folder: Path, name: str) -> Iterator[int]:
    text = _read(folder / name)
    if text.lstrip("-").isdigit():
        yield int(text)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
