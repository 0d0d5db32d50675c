"""Signals at random moments of small runs: lease, publication and load are real, the engine is left out.

Each run is a process forked from one that has imported everything, so that forty take seconds. `CLOUD_ETL_SIGNALS=500`
sends more; the seed is CLOUD_ETL_SEED. scripts/interrupt_runs.py does the same to whole runs with the engine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SEED = int(os.environ.get("CLOUD_ETL_SEED", "7"))
SIGNALS = int(os.environ.get("CLOUD_ETL_SIGNALS", "40"))

# The parent holds no thread and no database, so that it may fork.
PARENT = """
import logging, os, random, signal, sys, time
from pathlib import Path
import duckdb
from cloud_etl import interrupts
from cloud_etl.errors import RunInterruptedError
from tests.unit.pipeline.worlds import ROWS, World

interrupts.PATIENCE_SECONDS = 3.0
folder, seed, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)

def work(number, ready):
    logging.basicConfig(filename=folder / "log", level="DEBUG")
    with interrupts.handled():
        try:
            with interrupts.ended_in_order(lambda: "no safe place"):
                os.write(ready, b"x")
                for _ in range(3):
                    logging.getLogger("cloud_etl").info("a line that nobody may be torn out of")
                # What is imported for the first time holds importlib's lock.
                for name in ("xml.dom.minidom", "sqlite3", "email.mime.text", "wsgiref.handlers"):
                    __import__(name)
                    interrupts.check()
                world = World(folder)
                world.database.close()
                world.files = [f"{number:03} file"]
                ended = world.run(f"20260131T{number:06}Z-aaaaaa", hours=number)
            interrupts.leave(0 if ended in ("loaded", "nothing to do") else 1)
        except RunInterruptedError as exc:
            interrupts.leave(128 + exc.signal_number)

wrong, long = [], 0.3
for number in range(count):
    ROWS[f"{number:03} file"] = [number * 10, number * 10 + 1]
    heard, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(number, ready)
        finally:
            os._exit(99)
    os.read(heard, 1)
    os.close(heard), os.close(ready)
    begun = time.monotonic()
    sent = chance.choice((signal.SIGINT, signal.SIGTERM))
    time.sleep(chance.uniform(0, 1.2 * long))
    os.kill(child, sent)
    twice = chance.random() < 0.25
    if twice:
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, sent)
    signalled = time.monotonic()
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() - signalled > 30:
            wrong.append(f"{number} hangs")
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(found[1])
    if code == 0 and not twice:
        long = 0.5 * long + 0.5 * (time.monotonic() - begun)
    if code not in (0, 128 + sent):
        wrong.append(f"{number} ended with {code} after {sent.name}")

world = World(folder)
world.files = [f"{number:03} file" for number in range(count)]
world.database.close()
ended = world.run("20270131T000000Z-ffffff", hours=10_000)
world = World(folder)
rows = [row for number in range(count) for row in ROWS[f"{number:03} file"]]
if world.published != world.loaded or world.loaded != rows:
    wrong.append(f"at last {ended}: published {len(world.published)}, loaded {len(world.loaded)} of {len(rows)}")
print(wrong)
"""


def test_every_run_ends_at_once_or_whole_whenever_it_is_signalled(tmp_path: Path) -> None:
    print("seed", SEED)
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(SEED), str(SIGNALS)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=40 + 5 * SIGNALS, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr
