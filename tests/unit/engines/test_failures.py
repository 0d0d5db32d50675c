"""Engine errors in our words: the kind, the step, and never the value."""

from __future__ import annotations

import pytest
from pyspark.errors import AnalysisException, PySparkException
from pyspark.errors.exceptions.connect import SparkRuntimeException, UnsupportedOperationException

from cloud_etl.engines.failures import Probe, analysis_errors, engine_errors
from cloud_etl.errors import CloudEtlError, ConfigError, DiskSpaceError, EngineError, StepFailedError


class FakeFrame:
    """Stands for a probe's frame: it fails when it is computed, or does not."""

    dtypes = (("value", "bigint"),)

    def __init__(self, error: PySparkException | None = None) -> None:
        self._error = error

    def select(self, *_: object) -> FakeFrame:
        return self

    def collect(self) -> list[object]:
        if self._error is not None:
            raise self._error
        return []


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    """Columns and their hash need a session, though nothing is computed here."""
    import pyspark.sql.functions as F

    monkeypatch.setattr(F, "col", lambda name: name)
    monkeypatch.setattr(F, "max", lambda column: column)
    monkeypatch.setattr(F, "hash", lambda *columns: columns)


def raised(error: PySparkException, *probes: Probe) -> CloudEtlError:
    with pytest.raises(CloudEtlError) as caught, engine_errors("writing the rows", probes):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("Cast error: Cannot cast string 'Anna Smith' to value of Int32 type", StepFailedError, "try_cast"),
        ("[CAST_INVALID_INPUT] The value 'Anna Smith' of the type STRING cannot be cast", StepFailedError, "try_cast"),
        ("Cast error: Can't cast value 10000000000 to type Int32", StepFailedError, "cannot hold"),
        ("Arithmetic overflow: Overflow happened on: 9 * 9", StepFailedError, "cannot hold"),
        ("[DIVIDE_BY_ZERO] Division by zero.", StepFailedError, "try_divide"),
        ("Resources exhausted: Failed to allocate 12 bytes", EngineError, "engine.memory"),
        ("IO error: No space left on device (os error 28)", DiskSpaceError, "scratch"),
        ("Unable to open file p=Anna: File name too long (os error 36)", StepFailedError, "folder name"),
        ("status = StatusCode.UNAVAILABLE", EngineError, "the engine died"),
        ("something with Anna Smith in it", StepFailedError, "its text may quote rows"),
    ],
)
def test_each_kind_of_failure_is_told_without_the_value(text, kind, said):
    error = raised(SparkRuntimeException(text))
    assert type(error) is kind
    assert said in str(error)
    assert "Nothing was published" in str(error)
    assert "Anna" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_the_first_probe_that_fails_names_the_step():
    overflow = SparkRuntimeException("Arithmetic overflow")
    probes = [
        Probe("derive.a", FakeFrame()),
        Probe("derive.b", FakeFrame(overflow)),
        Probe("filter.c", FakeFrame(overflow)),
    ]
    assert str(raised(overflow, *probes)).startswith("derive.b gives a number")


def test_all_steps_in_question_are_named_when_no_probe_fails():
    error = raised(SparkRuntimeException("Cast error"), Probe("derive.a", FakeFrame()), Probe("filter.b", FakeFrame()))
    assert "one of derive.a, filter.b" in str(error)


def test_what_the_engine_cannot_do_is_told_in_its_words():
    assert "not supported: pivot" in str(raised(UnsupportedOperationException("not supported: pivot")))


def test_the_line_of_a_user_function_is_told():
    text = 'Traceback:\n  File "/p/steps.py", line 7, in parse\n    raise X\nValueError: Anna Smith'
    message = str(raised(SparkRuntimeException(text)))
    assert "raised ValueError at /p/steps.py:7 in parse" in message
    assert "Anna" not in message


def test_an_unknown_column_has_a_did_you_mean_on_both_engines():
    for text in (
        'attribute ObjectName([Identifier("amuont")]) is missing from the schema: cannot resolve attribute',
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable with name `amuont` cannot be resolved.",
    ):
        with pytest.raises(ConfigError) as caught, analysis_errors("derive.x", ["amount", "name"]):
            raise AnalysisException(text)
        assert str(caught.value) == "derive.x: there is no column 'amuont'; did you mean 'amount'?"


def test_an_engine_that_dies_during_analysis_is_no_configuration_error():
    with pytest.raises(EngineError), analysis_errors("derive.x"):
        raise AnalysisException("Connection refused")


def test_errors_of_others_pass_through():
    with pytest.raises(ZeroDivisionError), engine_errors("writing"):
        raise ZeroDivisionError
