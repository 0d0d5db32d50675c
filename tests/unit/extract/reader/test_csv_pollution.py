"""Files polluted in the ways of the Pollock benchmark: nothing changes, moves or gets lost without being reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest

from cloud_etl.extract.reader.read_batch import ReaderLimits

LIMITS = ReaderLimits(window_bytes=512, segment_bytes=2048, threads=2)
NAMES = ["DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductDescription", "URL", "Comments"]
SCHEMA = {name: {"type": "string"} for name in NAMES}
TYPED = {
    **SCHEMA,
    "DATE": {"type": "date"},
    "Qty": {"type": "integer"},
    "Price": {"type": "decimal(10,2)"},
}
COMMENTS = ["", 'said "yes"', "two words", "x;y"]
ROWS = [
    [
        f"2024-01-{number % 28 + 1:02d}", f"10:{number % 60:02d}", str(number), f"P-{number:04d}", f"{number}.50",
        f"Description, of {number}", f"http://example.com/{number}?a=1", COMMENTS[number % 4],
    ]
    for number in range(1, 41)
]  # fmt: skip


def line_of(row: list[str], quote: str = '"', delimiter: str = ",") -> str:
    doubled = [cell.replace(quote, quote * 2) for cell in row]
    return delimiter.join(f"{quote}{cell}{quote}" for cell in doubled)


def minimal(row: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def rendered(style) -> list[str]:
    return [style(NAMES), *(style(row) for row in ROWS)]


def one_row_pollutions(line: str) -> Iterator[tuple[str, str]]:
    """Every way to spoil one line: its name and the line."""
    for place in [index for index, char in enumerate(line) if char == ","]:
        yield f"less-{place}", line[:place] + line[place + 1 :]
        yield f"more-{place}", line[:place] + "," + line[place:]
        yield f"quote-before-{place}", line[:place] + '"' + line[place:]
        yield f"quote-behind-{place}", line[: place + 1] + '"' + line[place + 1 :]
    for place in range(0, len(line), 7):
        yield f"quote-{place}", line[:place] + '"' + line[place:]
        yield f"cr-{place}", line[:place] + "\r" + line[place:]
        yield f"cut-{place}", line[:place]
    for delimiter in (";", "\t", "|", " ", ", "):
        yield f"delimiter-{delimiter}", line.replace(",", delimiter)
    yield "quotes", line.replace('"', "'")
    yield "escape", line.replace('""', '\\"')
    yield "trailing", line + ","
    yield "footnote", "Total: 40"


def pollutions() -> Iterator[pytest.param]:
    for style in (line_of, minimal):
        for number in (1, 20, 40):
            lines = rendered(style)
            for name, spoiled in one_row_pollutions(lines[number]):
                yield style.__name__, number, name, [*lines[:number], spoiled, *lines[number + 1 :]]


GROUPS: dict[str, list[tuple[str, int, str, list[str]]]] = {}
for case in pollutions():
    GROUPS.setdefault(f"{case[0]}-{case[1]}-{case[2].split('-')[0]}", []).append(case)


@pytest.mark.parametrize("group", GROUPS)
def test_one_spoiled_row_costs_that_row_only(read, group):
    cases = GROUPS[group]
    result = read([("\n".join(lines) + "\n").encode() for *_, lines in cases], SCHEMA, limits=LIMITS)
    rejects = result.rejects
    for index, (_, number, name, lines) in enumerate(cases):
        rows = {row.pop("_row_id") & ((1 << 40) - 1): row for row in result.rows if row["_row_id"] >> 40 == index}
        uri = result.batch.files[index].uri
        refused = {row["line"]: row["raw_text"] for row in rejects if row["source_uri"] == uri}
        for place, wanted in enumerate(ROWS, 1):
            if place != number:
                assert [cell or "" for cell in rows[place + 1].values()] == wanted, (name, place)
        if number + 1 in rows:
            # What is left is a record of the right width by the grammar: its cells are those of a strict reading.
            (strict,) = csv.reader([lines[number]], strict=True)
            assert [cell or "" for cell in rows[number + 1].values()] == strict, name
        elif lines[number]:
            assert refused == {number + 1: lines[number]}, name
        assert result.batch.counts[index].records_read == len(ROWS) - (not lines[number])


WHOLE = {
    "no-payload": b"",
    "header-only": line_of(NAMES).encode(),
    "one-row": "\n".join(rendered(line_of)[:2]).encode(),
    "no-header": "\n".join(rendered(line_of)[1:]).encode(),
    "double-trailing-newline": ("\n".join(rendered(line_of)) + "\n\n").encode(),
    "no-trailing-newline": "\n".join(rendered(line_of)).encode(),
    "record-delimiter-cr": "\r".join(rendered(line_of)).encode(),
    "record-delimiter-crlf": "\r\n".join(rendered(minimal)).encode(),
    "multirow-header": "\n".join([line_of(NAMES), *rendered(line_of)]).encode(),
    "duplicate-header-name": ("\n".join(rendered(line_of)).replace('"TIME"', '"DATE"', 1)).encode(),
    "empty-header-name": ("\n".join(rendered(line_of)).replace('"TIME"', '""', 1)).encode(),
    "other-header-name": ("\n".join(rendered(line_of)).replace('"TIME"', '"HEAD/%R"', 1)).encode(),
    "long-header-name": ("\n".join(rendered(line_of)).replace('"TIME"', f'"{"HEADER" * 100_000}"', 1)).encode(),
    "preamble": "\n".join(["PREAMBLE", "PREAMBLE", *rendered(line_of)]).encode(),
    "preamble-delimited": "\n".join(["PREAMBLE,,,,,,,", ",,,,,,,", *rendered(line_of)]).encode(),
    "footnote": "\n".join([*rendered(line_of), "", "FOOTNOTE", "FOOTNOTE"]).encode(),
    "second-table-same": "\n".join([*rendered(line_of), *rendered(line_of)]).encode(),
    "second-table-less": "\n".join([*rendered(line_of), "", "a,b", "1,2", "3,4"]).encode(),
    "second-table-more": "\n".join([*rendered(line_of), "", *(line + ",1,2" for line in rendered(line_of))]).encode(),
    "latin-1": "\n".join([*rendered(line_of), '"é","","","","","","",""']).encode("latin-1"),
    "utf-16": "\n".join(rendered(line_of)).encode("utf-16"),
    **{
        f"delimiter-{delimiter}": "\n".join(line_of(row, delimiter=delimiter) for row in [NAMES, *ROWS]).encode()
        for delimiter in (";", "\t", "|", " ", ":", ", ", "\t\t", "\\t")
    },
    "quote-char": "\n".join(line_of(row, quote="'") for row in [NAMES, *ROWS]).encode(),
    "escape-char": "\n".join(line.replace('""', '\\"') for line in rendered(line_of)).encode(),
}
CLEAN = {"no-trailing-newline", "double-trailing-newline", "record-delimiter-cr", "record-delimiter-crlf",
         "multirow-header", "preamble", "preamble-delimited", "footnote", "second-table-same", "second-table-less",
         "second-table-more", "latin-1"}  # fmt: skip


@pytest.mark.parametrize("schema", [SCHEMA, TYPED], ids=["texts", "typed"])
@pytest.mark.parametrize("new_columns", ["reject", "ignore", "evolve"])
@pytest.mark.parametrize("name", WHOLE)
def test_a_spoiled_file_conserves_its_records(read, name, new_columns, schema):
    result = read(WHOLE[name], schema, new_columns=new_columns, limits=LIMITS)
    staged = [[str(row[column] or "") if row[column] is not None else "" for column in NAMES] for row in result.rows]
    reported = " ".join(row["raw_text"] for row in result.rejects)
    renamed = new_columns != "reject" and name in ("other-header-name", "long-header-name", "empty-header-name")
    for row in staged:
        wanted = next(known for known in ROWS if known[3] == row[3])
        assert row == (wanted if not renamed else [wanted[0], "", *wanted[2:]])
    if name in CLEAN:
        assert staged == ROWS
    if name not in ("no-payload", "header-only", "one-row"):
        seen = {row[3] for row in staged}
        assert all(row[3] in seen or row[3] in reported for row in ROWS)
