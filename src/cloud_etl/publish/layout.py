"""Names of published folders and files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cloud_etl.engines.marked_frame import NULL_PARTITION

if TYPE_CHECKING:
    from datetime import date

    from cloud_etl.storage.object_store import ObjectStore

ROOT = "processed-data"
MANIFEST = "manifest.json"
_RUN = "run_"
_DATE = re.compile(r"\d{8}")
_FOLDED = re.compile(r"(.+)-folded(\d)")
# Spark's and Hive's set: what they write in %XX in a partition's folder.
_ESCAPED = frozenset("\"#%'*/:=?\\{[]^") | {chr(code) for code in (*range(1, 32), 127)}


def run_folder(output: str, run_date: date, run_id: str) -> str:
    """`processed-data/<output>_<YYYYMMDD>/run_<run_id>`."""
    return f"{ROOT}/{output}_{run_date:%Y%m%d}/{_RUN}{run_id}"


def runs(store: ObjectStore, output: str) -> Iterator[tuple[str, str]]:
    """(run id, folder) of each run of an output, complete or not, the newest run first."""
    found = []
    for folder in store.folders(ROOT):
        name, _, day = folder.rpartition("_")
        if name != output or not _DATE.fullmatch(day):
            continue
        for run in store.folders(f"{ROOT}/{folder}"):
            if run.startswith(_RUN):
                found.append((run.removeprefix(_RUN), f"{ROOT}/{folder}/{run}"))
    return iter(sorted(found, reverse=True))


def folded_id(run_id: str, level: int) -> str:
    """Stands in the place of a run id where publications from that run on were folded; sorts where it sorts."""
    found = _FOLDED.fullmatch(run_id)
    return f"{found[1] if found else run_id}-folded{level}"


def level(run_id: str) -> int:
    """How often the rows of a publication were folded; 0 for what a run published."""
    found = _FOLDED.fullmatch(run_id)
    return int(found[2]) if found else 0


def partition_folder(partition: Mapping[str, str], order: tuple[str, ...]) -> str:
    """`region=north/day=2024-01-01`, escaped as Spark and Hive do; empty without partitions.

    Args:
        partition: value by column; missing values are the default partition's name already.
        order: columns in the order of the folders.
    """
    return "/".join(f"{escaped(name)}={escaped(partition[name]) or NULL_PARTITION}" for name in order)


def escaped(value: str) -> str:
    """The value with %XX for each character that has a meaning in paths."""
    return "".join(f"%{ord(character):02X}" if character in _ESCAPED else character for character in value)
