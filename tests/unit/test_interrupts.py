"""Signals at bad moments: in a process of its own each, which must end in time and say what is true."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from cloud_etl import interrupts
from cloud_etl.errors import CloudEtlError, RunInterruptedError, exit_code_of

HEAD = """
import os, signal, sys, threading, time
from cloud_etl import interrupts
from cloud_etl.errors import RunInterruptedError
interrupts.PATIENCE_SECONDS = 0.5

def words():
    return "the last words"

def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
    time.sleep(0.01)

def later(*numbers):
    def go():
        for number in numbers:
            time.sleep(0.2)
            os.kill(os.getpid(), number)
    threading.Thread(target=go, daemon=True).start()

"""


def ended(body: str) -> tuple[int, str]:
    """Exit code as a shell shows it, and what was said."""
    code = HEAD + "with interrupts.handled():\n" + "".join(f"    {line}\n" for line in body.strip().splitlines())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_before_anything_was_begun_ends_the_process_at_once(name: str) -> None:
    code, said = ended(f"later(signal.{name})\ntime.sleep(30)")
    assert (code, said) == (128 + getattr(signal, name), "interrupted; no run was under way\n")


def test_work_ends_at_the_next_safe_place_and_no_library_can_swallow_it() -> None:
    code, said = ended("""
with interrupts.ended_in_order(words):
    try:
        send()
        print("goes on until it is safe")
        interrupts.check()
    except Exception:
        print("swallowed")
    except RunInterruptedError as exc:
        print(exc.signal_number, flush=True)
        interrupts.leave(128 + exc.signal_number)
""")
    assert (code, said) == (143, "goes on until it is safe\n15\n")


@pytest.mark.parametrize("imports", [True, False])
def test_a_handler_raises_nothing_into_an_import_or_a_log_line(imports: bool) -> None:
    code, said = ended(
        f"IMPORTS = {imports}"
        + """
import logging
class Sends(logging.Handler):
    def emit(self, record):
        try:
            send(signal.SIGINT)
        except BaseException:
            print("raised into the log")
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "colorsys":
            sent.append(os.kill(os.getpid(), signal.SIGINT))
sent = []
sys.meta_path.insert(0, Finder)
logging.getLogger().addHandler(Sends())
with interrupts.ended_in_order(words):
    if IMPORTS:
        import colorsys
        assert sent
    else:
        logging.getLogger().error("x")
    try:
        interrupts.check()
    except RunInterruptedError as exc:
        print("ended", flush=True)
        interrupts.leave(130)
"""
    )
    assert (code, said) == (130, "ended\n")


def test_work_that_comes_to_no_safe_place_is_ended_with_its_last_words() -> None:
    begun = time.monotonic()
    code, said = ended("with interrupts.ended_in_order(words):\n    later(signal.SIGTERM)\n    time.sleep(60)")
    assert (code, said) == (143, "the last words\n")
    assert time.monotonic() - begun < 40


def test_last_words_that_hang_do_not_keep_the_process() -> None:
    code, said = ended("with interrupts.ended_in_order(lambda: time.sleep(60)):\n    later(2)\n    time.sleep(60)")
    assert code == 130
    assert "nothing more is known" in said


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(60)",
        "lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "while True: pass",
    ],
)
def test_a_second_signal_ends_the_process_whatever_it_does(work: str) -> None:
    code, _ = ended(f"""
interrupts.PATIENCE_SECONDS = 600
with interrupts.ended_in_order(words):
    later(signal.SIGTERM, signal.SIGINT)
    {work}
""")
    assert code == 130


def test_a_second_signal_ends_a_pattern_that_holds_the_interpreter() -> None:
    """No thread of the process can run then; the search itself looks for signals, and runs their handler."""
    code, _ = ended("""
import re, subprocess
interrupts.PATIENCE_SECONDS = 600
with interrupts.ended_in_order(words):
    kill = f"sleep 0.5; kill -TERM {os.getpid()}; sleep 0.5; kill -INT {os.getpid()}"
    subprocess.Popen(["sh", "-c", kill], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    re.match(r"(a+)+$", "a" * 60 + "b")
""")
    assert code == 130


def test_a_pause_is_woken() -> None:
    code, said = ended("""
with interrupts.ended_in_order(words):
    later(signal.SIGTERM)
    try:
        interrupts.pause(60)
    except RunInterruptedError:
        print("woken", flush=True)
        interrupts.leave(143)
""")
    assert (code, said) == (143, "woken\n")


def test_a_long_call_is_stopped_by_another_thread() -> None:
    code, said = ended("""
import duckdb
from cloud_etl.load.duckdb.session import Session, translated
connection = duckdb.connect(config={"threads": 1, "memory_limit": "256MB"})
with interrupts.ended_in_order(words):
    later(signal.SIGTERM)
    try:
        with translated("loading sales"):
            endless = "range(1000000000) a, range(1000000000) b"
            Session(connection).rows(f"SELECT count(*) FROM {endless} WHERE a.range + b.range = 3")
    except RunInterruptedError as exc:
        print(exc, flush=True)
        interrupts.leave(143)
""")
    assert (code, said) == (143, "ended by SIGTERM; nothing was loaded\n")


def test_a_signal_after_the_work_was_done_changes_nothing() -> None:
    code, said = ended("with interrupts.ended_in_order(words):\n    pass\nsend()\nprint('done', flush=True)")
    assert (code, said) == (0, "done\n")


def test_a_commit_that_comes_next_is_not_stopped() -> None:
    stopped: list[bool] = []
    with interrupts.stoppable(lambda: stopped.append(True)):
        pass
    interrupts._stop_all(interrupts._state)
    assert not stopped


def test_without_handlers_nothing_is_asked_for() -> None:
    interrupts.check()
    interrupts.pause(0)
    assert not interrupts.requested()


def test_an_interruption_is_no_exception() -> None:
    assert not issubclass(RunInterruptedError, Exception)
    assert not issubclass(RunInterruptedError, CloudEtlError)
    assert exit_code_of(RunInterruptedError("x", 15)) == 143


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupts.handled():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    deadline = time.monotonic() + 10
    while any(thread.name == "signals" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
