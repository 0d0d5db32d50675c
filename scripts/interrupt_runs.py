"""Send Ctrl-C or SIGTERM to runs at random moments, and see that each ends, truly, and that the next run goes on.

python scripts/interrupt_runs.py 500 --seed 7
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# A busy machine may take long to start Python; an interruption itself takes seven seconds at most.
HANGS_AFTER_SECONDS = 60.0
PROJECT = """
project: interrupted
environments:
  local:
    store: ./data
    engine: {name: sail, memory: 512MB, cores: 1}
    warehouse: {duckdb: {path: ./data/warehouse.duckdb, memory: 256MB}}
"""
PIPELINE = """
pipeline: PIPELINE
source: {path: raw-data/PIPELINE/, pattern: "*.csv", format: csv}
schema: {id: {type: bigint, required: true}, note: {type: string}}
outputs:
  - name: PIPELINE_rows
    load: {table: shop.PIPELINE, mode: append}
"""
PIPELINES = ("first", "second")
MAIN = """
import sys
sys.argv[1:] = ["run", "--all"]
from cloud_etl.cli.main import main
from cloud_etl import interrupts
said = interrupts._said
def where(words):
    import faulthandler
    faulthandler.dump_traceback(all_threads=True)
    return said(words)
interrupts._said = where
main()
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an interrupted run ended; code is what a shell would show."""

    after_seconds: float
    number: int
    took_seconds: float
    code: int
    said: str


def make_project(folder: Path) -> Path:
    """A project of two pipelines without files."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "cloud-etl.yaml").write_text(PROJECT)
    for name in PIPELINES:
        (folder / f"pipelines/{name}.yaml").write_text(PIPELINE.replace("PIPELINE", name))
        (folder / f"data/raw-data/{name}").mkdir(parents=True)
    return folder


def add_files(folder: Path, number: int) -> None:
    """One file of 1,000 rows for each pipeline."""
    for name in PIPELINES:
        rows = "".join(f"{number * 1_000 + row},note {row}\n" for row in range(1_000))
        (folder / f"data/raw-data/{name}/{number:04}.csv").write_text(f"id,note\n{rows}")


def interrupt(folder: Path, after_seconds: float, number: int, *, twice: bool = False) -> Ended:
    """Run, send a signal, and wait for the end; a run that hangs is killed and has code 137."""
    with tempfile.TemporaryFile() as said:
        run = subprocess.Popen([sys.executable, "-c", MAIN], cwd=folder, stdout=said, stderr=said)  # noqa: S603 - our own command
        try:
            run.wait(after_seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(number)
            if twice:
                time.sleep(0.2)
                run.send_signal(number)
        begun = time.monotonic()
        try:
            code = run.wait(HANGS_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            run.kill()
            code = run.wait()
        said.seek(0)
        text = said.read().decode(errors="replace")
    return Ended(after_seconds, number, time.monotonic() - begun, code if code >= 0 else 128 - code, text)


def faults(folder: Path, ended: Ended, number: int) -> list[str]:
    """What is wrong after an interrupted run and the one that follows it."""
    found = []
    if ended.code not in (0, 128 + ended.number):
        found.append(f"code {ended.code}")
    text = ended.said
    if "Current thread" in text:
        found.append("it came to no safe place: " + text[text.index("Current thread") - 3_000 :])
    if "Traceback" in text and "cloud_etl" in text:
        found.append("a traceback")
    next_run = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", MAIN], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    if next_run.returncode:
        found.append(f"the next run ended with {next_run.returncode}: {next_run.stderr[-400:]}")
        return found
    import duckdb

    with duckdb.connect(str(folder / "data/warehouse.duckdb"), read_only=True) as connection:
        for name in PIPELINES:
            rows = connection.execute(f"SELECT count(*), count(DISTINCT id) FROM shop.{name}").fetchone()
            if rows != (number * 1_000, number * 1_000):
                found.append(f"{name} holds {rows} rows of {number * 1_000}")
            manifests = folder.glob(f"data/processed-data/{name}_rows_*/*/manifest.json")
            published = [json.loads(path.read_text())["cloud_etl"]["run_id"] for path in manifests]
            loaded = connection.execute(f"SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = '{name}'")
            if not set(published) <= {run_id for (run_id,) in loaded.fetchall()}:
                found.append(f"{name} has published what it has not loaded")
    return found


def main() -> int:
    """Interrupt as many runs as asked for; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long a run takes here, about")
    chosen = parser.parse_args()
    # A shell without job control starts what is in its background deaf to Ctrl-C, which the runs would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance = random.Random(chosen.seed)  # noqa: S311 - moments, no secrets
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="interrupted-") as place:
        folder = make_project(Path(place))
        for number in range(1, chosen.count + 1):
            add_files(folder, number)
            signalled = chance.choice((signal.SIGINT, signal.SIGTERM))
            ended = interrupt(folder, chance.uniform(0.2, chosen.seconds), signalled, twice=chance.random() < 0.2)
            found = faults(folder, ended, number)
            wrong += bool(found)
            last = ended.said.strip().splitlines()[-1:] or [""]
            how = f"{signalled.name} after {ended.after_seconds:.2f} s: {ended.code} in {ended.took_seconds:.1f} s"
            print(f"{number} {how} {found or ''} {last[0][:120]}", flush=True)  # noqa: T201 - a script
    print(f"{chosen.count} runs interrupted, {wrong} with something wrong")  # noqa: T201 - a script
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
