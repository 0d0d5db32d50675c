from __future__ import annotations

import pytest

from cloud_etl.domain.ledger import Equation
from cloud_etl.domain.printable import printable
from cloud_etl.monitoring import figures
from cloud_etl.monitoring.equations import grouped


def test_unknown_is_not_zero() -> None:
    assert [figures.number(value) for value in (None, 0, 1234567)] == ["unknown", "0", "1,234,567"]


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 10, "0 %"), (10, 10, "100 %"), (1, 10**9, "< 0.01 %"), (10**9 - 1, 10**9, "> 99.9 %"), (1, 3, "33.3 %"),
        (5, 1000, "0.50 %"), (None, 3, figures.NONE), (3, 0, figures.NONE),
        (3, None, figures.NONE), (15, 10, "150.0 %"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_nothing_or_to_everything(part: int | None, whole: int | None, shown: str) -> None:
    assert figures.percent(part, whole) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0.00 s"),
        (9.99, "9.99 s"),
        (9.999, "10.0 s"),
        (59.96, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (7384, "2 h 03 min"),
    ],
)
def test_durations(value: float, shown: str) -> None:
    assert figures.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (678_000_000, "678 MB"), (5 * 10**12, "5.0 TB")]
)
def test_sizes(value: int, shown: str) -> None:
    assert figures.size(value) == shown


def test_a_long_name_keeps_both_ends() -> None:
    assert figures.shortened("abcdefghij", 5) == "ab…ij"
    assert figures.shortened("abcde", 5) == "abcde"


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\\x0a"


def test_many_equations_fold_into_their_sum_and_failures_stay() -> None:
    equations = [Equation("read", f"f{i}", 10, 10 if i != 5 else 9, "a = b") for i in range(20)]
    (group,) = grouped(equations)
    assert (group.total, group.failing, group.left, group.right) == (20, 1, 200, 199)
    assert [one.subject for one in group.shown] == ["f5"]


def test_the_sum_of_an_unknown_side_is_unknown() -> None:
    (group,) = grouped([Equation("copied", "t", None, 3, "a = b")])
    assert (group.left, group.right, group.failing) == (None, 3, 1)
