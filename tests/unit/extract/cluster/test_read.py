from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.files import FileRef
from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.resources import MIB
from cloud_etl.errors import CloudEtlError, ConfigError, EngineError, ObjectChangedError
from cloud_etl.extract.cluster.results import NumberedFile, TaskResult, WorkObject, raised
from cloud_etl.extract.cluster.split import packed


def file(number: int, size_bytes: int) -> NumberedFile:
    ref = FileRef(f"s3://b/{number}", str(number), size_bytes, "e", None, datetime(2024, 1, 1, tzinfo=UTC))
    return NumberedFile(number, ref)


@given(st.lists(st.integers(0, 200 * MIB), max_size=60))
def test_every_file_is_in_one_task_with_its_place_in_the_batch(sizes):
    files = [file(number, size) for number, size in enumerate(sizes)]
    found = [one for task in packed(files) for one in task]
    assert sorted(one.index for one in found) == list(range(len(files)))
    assert all(files[one.index] == one for one in found)


def test_large_files_come_first_and_alone():
    tasks = packed([file(0, 5), file(1, 100 * MIB), file(2, 300 * MIB), file(3, 7)])
    assert [[one.index for one in task] for task in tasks] == [[2], [1], [0, 3]]


def test_ten_thousand_tiny_files_make_about_as_many_tasks_as_are_wanted():
    tasks = packed([file(number, 20_000) for number in range(10_000)])
    assert 60 <= len(tasks) <= 70
    assert max(len(task) for task in tasks) <= 1_000


def test_files_without_a_byte_share_tasks():
    assert [len(task) for task in packed([file(number, 0) for number in range(2_500)])] == [1_000, 1_000, 500]


def test_a_result_survives_its_way_as_json():
    count = FileCount("s3://b/0", "e", 5, 3, 2, 1, {"bad_integer": 1}, ("column a was taken from 'A'",))
    result = TaskResult((WorkObject("k", 5, 2),), (WorkObject("r", 6, 1),), ((7, count),), ("new",))
    assert TaskResult.decode(result.encode()) == result
    stopped = TaskResult(error=("ObjectChangedError", "it changed"))
    assert TaskResult.decode(stopped.encode()) == stopped


def test_an_error_comes_back_as_the_class_it_was():
    cases = (
        ("ObjectChangedError", ObjectChangedError),
        ("ConfigError", ConfigError),
        ("EngineError", EngineError),
        ("NoSuchError", EngineError),
        ("Problem", EngineError),
    )
    for name, kind in cases:
        error = raised((name, "what happened"))
        assert type(error) is kind and isinstance(error, CloudEtlError)
        assert str(error) == "what happened"
