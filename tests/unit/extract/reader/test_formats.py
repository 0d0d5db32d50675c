"""What a format writes it reads, and nothing else; for every format that `validate` accepts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations, product

import duckdb
import pytest

from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.casts import cast_of
from cloud_etl.pipeline.check_source import _DIRECTIVES, _format_problem

MOMENTS = (
    "2024-01-05 01:02:03.000004", "1999-12-31 23:59:59.999999", "2000-02-29 12:00:00", "1970-01-01", "2068-10-10 00:30",
    "2021-01-03 13:07:09.12", "2023-01-01 00:00:01", "2018-12-31 11:11:11", "2016-01-02 10:00", "2020-06-15 05:00:00.5",
)  # fmt: skip
# Beyond what two digits of a year say.
FAR = ("9999-12-31 23:59:59.999999", "0001-01-01", "0999-10-10 10:10:10.1")
TIMES = (
    "", "%H", "%H:%M", "%H%M%S", "%H:%M:%S.%f", "%H:%M:%S,%g", "%I:%M %p", "%-I%p", "%-H:%-M:%-S", "%X", "%X.%f",
    "%I.%M.%S.%f%p", "%M", "%H:%S", "%f", "%H %I %p",
)  # fmt: skip


def formats() -> Iterator[str]:
    """All pairs and triples of directives, with and without something between them, and dates with times and zones."""
    letters = sorted(_DIRECTIVES - {"%"})
    for count, between in ((1, ""), (2, "-"), (2, "")):
        yield from (between.join(f"%{one}" for one in some) for some in permutations(letters, count))
    rng = random.Random(9)
    triples = list(permutations(letters, 3))
    yield from (rng.choice("-/. ").join(f"%{one}" for one in some) for some in rng.sample(triples, 4000))
    dates = (
        "%Y-%m-%d",
        "%d%b%Y",
        "%B %-d, %Y",
        "%y%m%d",
        "%Y%j",
        "%G-W%V-%u",
        "%Y %U %w",
        "%W/%w/%y",
        "%x",
        "%c",
        "%a %x",
    )
    for date, time, zone in product(dates, TIMES, ("", " %z", "%z")):
        yield " ".join(filter(None, (date, time))) + zone


ACCEPTED = sorted({text for text in formats() if _format_problem(text) is None})


@pytest.fixture(scope="module")
def reading() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def read(connection: duckdb.DuckDBPyConnection, format_: str, texts: list[str]) -> list[tuple[str | None, str | None]]:
    """The value of each text and how the format writes it; None where it is refused."""
    cast = cast_of(ColumnSpec(type=ColumnType("timestamp"), format=format_), "t", "tried")
    assert cast is not None
    sql = (
        f"SELECT CAST(v AS VARCHAR), strftime(v, $2) FROM (SELECT {cast.proven} AS v FROM "
        f"(SELECT t, {cast.tried} AS tried FROM (SELECT unnest($1::VARCHAR[]) AS t)))"
    )
    return connection.execute(sql, [texts, format_]).fetchall()


def smallest_unit(format_: str) -> str:
    """The smallest part of a time that a format says."""
    units = {
        "f": "microsecond", "g": "millisecond", "S": "second", "X": "second", "c": "second", "M": "minute", "H": "hour",
        "I": "hour",
    }  # fmt: skip
    said = format_.replace("%-", "%")
    return next((unit for letter, unit in units.items() if f"%{letter}" in said), "day")


def test_there_are_many_formats():
    assert len(ACCEPTED) > 250


def test_a_format_reads_what_it_writes(reading):
    for format_ in ACCEPTED:
        moments = [*MOMENTS, *(FAR if "%y" not in format_ and "%-y" not in format_ else ())]
        sql = "SELECT strftime(m, $1), CAST(date_trunc($2, m) AS VARCHAR) FROM (SELECT unnest($3::TIMESTAMP[]) AS m)"
        written = reading.execute(sql, [format_, smallest_unit(format_), moments]).fetchall()
        # date_trunc of a day gives no time.
        wanted = [value if " " in value else f"{value} 00:00:00" for _, value in written]
        assert [value for value, _ in read(reading, format_, [text for text, _ in written])] == wanted, format_


def test_a_format_reads_nothing_that_it_does_not_write(reading):
    rng = random.Random(7)
    for format_ in ACCEPTED:
        if "%z" in format_:
            continue  # It writes +00 alone, and reads each offset: the cases of test_casts.
        [(text,)] = reading.execute("SELECT strftime(TIMESTAMP '2024-01-05 01:02:03.04', $1)", [format_]).fetchall()
        odd = [
            text + " ",
            " " + text,
            text + "0",
            text + ".0",
            "",
            text.replace("0", ""),
            text.replace("0", "O"),
            text + "Z",
        ]
        for _ in range(12):
            at = rng.randrange(len(text) + 1)
            odd += [text[:at] + rng.choice("0159 -:/aZ") + text[at:], text[:at] + text[at + 1 :]]
            odd.append(text[:at] + rng.choice("0159 -:/aZ") + text[at + 1 :])
        for tried, (value, printed) in zip(odd, read(reading, format_, odd), strict=True):
            if value is None:
                continue
            # Names in any case, and fewer digits of a fraction, as documented.
            assert printed is not None
            same = printed.lower() == tried.lower()
            assert same or ("%f" in format_ and printed.lower().replace("0", "") == tried.lower().replace("0", "")), (
                format_, tried, printed,
            )  # fmt: skip
