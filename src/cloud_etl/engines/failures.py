"""Turn what an engine raises into errors that name the step and never a row value."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import CloudEtlError, ConfigError, DiskSpaceError, EngineError, Problem, StepFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

# Its own number of a column, by which nobody knows it.
_OUT_OF_PLACE = re.compile(r'No field named [^ ]*"#\d+"')
_IDENTIFIER = re.compile(r'Identifier\("([^"]+)"\)|with name `?([^`\s]+)`? cannot be resolved')
_UNMADE_FOLDER = re.compile(r"Mkdirs failed to create (\S+)")
_NAME_BYTES = 255
_USER_LINE = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_USER_ERROR = re.compile(r"^\s*(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt|Iteration|Warning))\b", re.MULTILINE)

# What an engine says, and what to say instead: its own text quotes the value it stumbled over.
_ON_DATA: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(division|remainder|divide) ?by[ _]zero", re.IGNORECASE),
        "divides by zero; write try_divide(a, b) or nullif(b, 0)",
    ),
    (
        re.compile(r"overflow|too large to store|out of range|can't cast value", re.IGNORECASE),
        "gives a number that its type cannot hold; widen the type, or use try_cast for NULL instead",
    ),
    (
        re.compile(r"cast|pars(e|ing)|malformed|invalid", re.IGNORECASE),
        "casts a value that does not fit the type; use try_cast for NULL, or a cast step to reject such rows",
    ),
)


@dataclass(frozen=True, slots=True)
class Probe:
    """An expression that may fail on the data, and a lazy frame that holds nothing but its result."""

    label: str
    frame: DataFrame


@contextmanager
def engine_errors(what: str, probes: Iterable[Probe] = (), longest: Callable[[], str] = str) -> Iterator[None]:
    """Translate what the engine raises while it runs over the data.

    The cause is cut off on purpose: engines quote row values in their messages, and tracebacks end up in logs.

    Args:
        what: the action, for the message.
        probes: expressions in question; they are run one by one, after a failure only, to name the one that fails.
        longest: says which value of a partition column is the longest; asked where one makes too long a folder.

    Raises:
        StepFailedError: an expression failed on the data.
        EngineError: the engine ran out of memory or died.
        DiskSpaceError: the scratch folder is full.
    """
    try:
        with quiet_client():
            yield
    except engine_exceptions() as exc:
        interrupts.check()
        raise (_fault(str(exc), what, longest) or _failed_step(exc, what, tuple(probes))) from None


@contextmanager
def analysis_errors(label: str, known: Iterable[str] = ()) -> Iterator[None]:
    """Translate what the engine raises while it analyses an expression; no row has been read.

    Raises:
        ConfigError: the expression does not parse, or names a column or function that is not there.
    """
    from pyspark.errors import PySparkException

    try:
        with quiet_client():
            yield
    except PySparkException as exc:
        if fault := _fault(str(exc), label, str):
            raise fault from None
        text = _first_line(exc)
        hint = ""
        if _OUT_OF_PLACE.search(text):
            text = (
                "the sail engine has no aggregate or window where one stands here; give it a name in an inner SELECT, "
                "and filter or order by the name outside"
            )
        elif match := _IDENTIFIER.search(text):
            name = match[1] or match[2]
            text, hint = f"there is no column {name!r}", did_you_mean(name, known)
        raise ConfigError([Problem(f"{label}: {text}{hint}")]) from None


@contextmanager
def quiet_client() -> Iterator[None]:
    """Keep the client from warning on the terminal that it gave up; the error that follows says it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
        yield


def engine_exceptions() -> tuple[type[Exception], ...]:
    """What engines raise: PySpark's own exceptions, and those of a JVM that it has no class for."""
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # py4j has no types
    from pyspark.errors import PySparkException

    return PySparkException, Py4JError


def _fault(text: str, what: str, longest: Callable[[], str]) -> CloudEtlError | None:
    """The error of engine or disk that a text speaks of; None where it is neither."""
    if _matches(text, "resources exhausted|failed to allocate|memory limit"):
        return EngineError(
            f"{what} needs more than the engine's memory pool. Nothing was published; raise engine.memory."
        )
    if _matches(text, "no space left|os error 28"):
        return DiskSpaceError(f"{what}: the scratch folder is full. Nothing was published; free space or set scratch.")
    if _matches(text, "file name too long|os error 36") or _names_long_folder(text):
        return StepFailedError(
            f"{what}: a value of a partition column is too long for a folder name{longest()}. `column=value` may have "
            f"{_NAME_BYTES} bytes in all, and a byte that is written as %XX, such as those of letters beyond ASCII, "
            "counts three times. Nothing was published; partition by a shorter column."
        )
    if _matches(text, "connection refused|statuscode.unavailable|socket closed|connection reset|channel closed"):
        return EngineError(f"{what}: the engine died. Nothing was published; run again, with more memory if it recurs.")
    return None


def _names_long_folder(text: str) -> bool:
    """Whether a JVM, which does not tell why a folder cannot be made, names one that no file system takes."""
    made = _UNMADE_FOLDER.search(text)
    return made is not None and any(len(part.encode()) > _NAME_BYTES for part in made[1].split("/"))


def _failed_step(exc: Exception, what: str, probes: tuple[Probe, ...]) -> StepFailedError:
    for probe in probes:
        try:
            _evaluate(probe.frame)
        except engine_exceptions() as own:
            return StepFailedError(f"{probe.label} {_reason(own)}. Nothing was published.")
    labels = ", ".join(probe.label for probe in probes)
    return StepFailedError(
        f"{what} failed{f' in one of {labels}' if labels else ''}: it {_reason(exc)}. Nothing was published."
    )


def _evaluate(frame: DataFrame) -> None:
    from pyspark.sql import functions as F

    # An aggregate over the hash makes the engine compute every row and send one.
    # Sail's hash does not take the texts of some functions before they are cast.
    values = [F.col(name).cast("string") if kind == "string" else F.col(name) for name, kind in frame.dtypes]
    frame.select(F.max(F.hash(*values))).collect()


def _reason(exc: Exception) -> str:
    text = str(exc)
    lines = _USER_LINE.findall(text)
    if lines:
        path, line, function = lines[-1]
        names = _USER_ERROR.findall(text)
        return f"raised {names[-1] if names else 'an exception'} at {path}:{line} in {function}"
    for pattern, reason in _ON_DATA:
        if pattern.search(text):
            return reason
    # These speak of the plan, not of a row.
    if type(exc).__name__ in ("UnsupportedOperationException", "AnalysisException", "ParseException"):
        return f"is refused by the engine: {_first_line(exc)}"
    return f"stopped with {type(exc).__name__}; its text may quote rows and is not shown"


def _first_line(exc: Exception) -> str:
    return next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)


def _matches(text: str, pattern: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
