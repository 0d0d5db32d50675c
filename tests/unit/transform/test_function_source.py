"""What is told of a python step's function from the text of its module, without importing it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cloud_etl.transform.function_source import function_problem


@pytest.fixture
def problem(tmp_path: Path):
    def _problem(text: str | bytes, function: str = "steps:tidy", file: str = "steps.py") -> str | None:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whatever runs this line has imported the module.
        mark = "open('imported', 'w')\n"
        path.write_bytes(mark.encode() + (text.encode() if isinstance(text, str) else text))
        found = function_problem(function, tmp_path)
        assert not (tmp_path / "imported").exists()
        assert not any(name.partition(".")[0] == "steps" for name in sys.modules)
        return found

    return _problem


@pytest.mark.parametrize(
    "text",
    [
        "def tidy(frame): return frame",
        "def tidy(frame, *, deep=False): return frame",
        "def tidy(frame, deep=1): return frame",
        "def tidy(*frames): return frames[0]",
        "def tidy(frame, /): return frame",
        "tidy = partial(other, 1)",
        "tidy = lambda frame: frame",
        "@decorated\ndef tidy(a, b, c): ...",
        "from elsewhere import tidy",
        "from elsewhere import other as tidy",
        "from elsewhere import *",
        "def __getattr__(name): ...",
        "if True:\n  def tidy(frame): return frame",
        "try:\n  from a import tidy\nexcept ImportError:\n  def tidy(frame): return frame",
        "tidy = None\ndef tidy(frame): return frame",
        "(tidy := partial(other))",
        "for tidy in others: pass",
        "with one() as tidy: pass",
    ],
)
def test_what_may_be_a_function_over_a_frame_is_believed(problem, text):
    assert problem(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def tydi(frame): return frame", "has no function 'tidy'; "),
        ("def outer():\n  def tidy(frame): ...", "has no function 'tidy'"),
        ("class Outer:\n  def tidy(frame): ...", "has no function 'tidy'"),
        ("def tidy(): ...", "line 2, cannot be called with a DataFrame alone"),
        ("def tidy(a, b): ...", "cannot be called with a DataFrame alone"),
        ("def tidy(a, *, b): ...", "cannot be called with a DataFrame alone"),
        ("async def tidy(a): ...", "is async"),
        ("tidy = 3", "is a value, not a function"),
        ("def tidy(frame): return frame\ntidy = []", "is a value, not a function"),
        ("def tidy(frame: ...", "SyntaxError at steps.py:2"),
        ("def tidy(f):\nreturn f", "IndentationError at steps.py:3"),
        ("x = " + "-" * 100_000 + "1", "cannot be"),
        ("x = " + "(" * 5000 + ")" * 5000, "cannot be"),
        (b"x = '\x00'", "cannot be"),
        (b"x = '\xff'", "cannot be"),
    ],
)
def test_what_is_no_function_over_a_frame_is_told(problem, text, said):
    assert said in (problem(text) or "")


def test_packages_are_looked_into_and_their_code_is_not_run(problem, tmp_path: Path):
    assert problem("def tidy(frame): ...", "steps.deep.one:tidy", "steps/deep/one.py") is None
    assert problem("from .one import tidy", "steps.deep:tidy", "steps/deep/__init__.py") is None
    assert problem("", "steps.deep:tydi", "steps/deep/__init__.py") == "steps.deep has no function 'tydi'"
    missing = function_problem("steps.shallow:tidy", tmp_path)
    assert missing == "steps.shallow cannot be imported: No module named 'steps.shallow'"


def test_a_module_that_is_installed_is_found_beside_the_project(tmp_path: Path):
    assert function_problem("json:dmups", tmp_path) == "json has no function 'dmups'; did you mean 'dumps'?"
    assert function_problem("math:floor", tmp_path) is None
    assert function_problem("nowhere_at_all:f", tmp_path) == (
        "nowhere_at_all cannot be imported: No module named 'nowhere_at_all'"
    )
