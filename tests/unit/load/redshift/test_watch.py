"""A statement is waited for as long as its session lives, and no longer."""

from __future__ import annotations

import threading
import time

import pytest

from cloud_etl.load.redshift import watch


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(watch, "_SLOWEST_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(watch, "_UNANSWERED_LOOK_SECONDS", 0.01)


def cut_after(answers: list[bool | None], silent_seconds: float = 0.05) -> str | None:
    """Why the connection was cut, where its session is asked for with these answers; the last one stays."""
    said: list[str] = []
    cut, asked_enough = threading.Event(), threading.Event()

    def is_there() -> bool | None:
        if len(answers) > 1:
            return answers.pop(0)
        asked_enough.set()
        return answers[0]

    def take(why: str) -> None:
        said.append(why)
        cut.set()

    with watch.watched(is_there, silent_seconds, take):
        if answers[-1] is True:
            assert asked_enough.wait(10)
            time.sleep(0.05)
        else:
            assert cut.wait(10)
    return said[0] if said else None


def test_a_session_that_lives_is_waited_for() -> None:
    assert cut_after([True]) is None


def test_a_session_that_is_gone_is_not_waited_for() -> None:
    assert "its session is not there any more" in (cut_after([True, False]) or "")


def test_a_server_that_answers_nobody_is_given_up_after_its_time_alone() -> None:
    begun = time.monotonic()
    assert "the server has answered nobody for" in (cut_after([True, None]) or "")
    assert time.monotonic() - begun >= 0.05


def test_a_server_that_answers_again_in_time_is_waited_for_anew() -> None:
    assert cut_after([None, True, None, True], silent_seconds=60) is None
