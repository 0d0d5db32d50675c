"""Numbers of more digits than Python turns into an integer cost their value a reject, in every format and type."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# Python's limit is 4,300 digits; with an exponent or a fraction other code is at work.
LONG = ("1" * 5000, "-" + "9" * 5000, "1" * 5000 + ".5", "1" * 5000 + "e5", "0" * 5000 + "1", "1e" + "9" * 5000)
CODES = {"bad_integer", "out_of_range", "bad_decimal", "decimal_scale", "bad_double", "bad_date", "bad_timestamp",
         "bad_boolean", "bad_json", "invalid_json", "lossy_cast"}  # fmt: skip


def parquet(values: list[object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"v": values, "k": ["x"] * len(values)}), sink)
    return sink.getvalue()


FILES = {
    "csv": lambda text: f"v,k\n{text},x\n1,x\n".encode(),
    "json": lambda text: f'{{"v": {text}, "k": "x"}}\n{{"v": 1, "k": "x"}}\n'.encode(),
    "json-text": lambda text: f'{{"v": "{text}", "k": "x"}}\n{{"v": 1, "k": "x"}}\n'.encode(),
    "json-array": lambda text: f'[{{"v": {text}, "k": "x"}},\n {{"v": 1, "k": "x"}}]\n'.encode(),
    "json-nested": lambda text: f'{{"v": [{text}], "k": "x"}}\n{{"v": 1, "k": "x"}}\n'.encode(),
    "parquet": lambda text: parquet([text, "1"]),
    "parquet-list": lambda text: parquet([[text], ["1"]]),
}


@pytest.mark.parametrize("text", LONG, ids=lambda text: f"{text[:2]}-{text[-2:]}")
@pytest.mark.parametrize("format_", FILES)
def test_a_number_of_5000_digits_is_a_value_or_a_reject(read, format_, text):
    kind = format_.partition("-")[0]
    for type_ in ("integer", "bigint", "decimal(38,0)", "double", "string", "json", "boolean", "date", "timestamp"):
        schema = {"v": {"type": type_}, "k": {"type": "string"}}
        result = read(FILES[format_](text), schema, source={"format": kind}, name=f"x.{kind}")
        found = {row["_row_id"] & 0xFFFFFF: row["v"] for row in result.rows}
        lines = {row["line"]: row["code"] for row in result.rejects}
        assert len(found) + len(lines) == 2
        first = min([*found, *lines])
        is_value = "list" not in format_ and "nested" not in format_ and not (kind == "json" and text.startswith("0"))
        if type_ == "string" and (is_value or format_ == "json-text"):
            assert found[first] == text
        if type_ == "json" and is_value and format_ != "json-text" and not text.startswith("0"):
            assert found[first] == text
        if first in lines:
            assert lines[first] in CODES | {"bad_string", "unreadable_column"}, lines
