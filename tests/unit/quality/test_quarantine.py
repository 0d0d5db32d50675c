from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.files import FileRef
from cloud_etl.domain.rejects import QUARANTINE_COLUMNS
from cloud_etl.domain.run import Batch
from cloud_etl.domain.schema import LINE_BITS, Schema
from cloud_etl.engines.marked_frame import Fate
from cloud_etl.errors import QuarantineError, SourceError
from cloud_etl.quality import quarantine

from .conftest import STARTED

RANGE = Fate("range.quantity", "rejected", "range.quantity", "quantity", "quantity >= 1")
CAST = Fate("cast", "rejected", "cast.price", "price", "price as integer")


def batch() -> Batch:
    files = tuple(
        FileRef(f"s3://raw/it's/{name}.csv", f"{name}.csv", 1, etag, None, STARTED)
        for name, etag in (("one", "e1"), ("two", None))
    )
    return Batch("b", files, (), Schema(()), (), 0, (), 0)


def row_id(file: int, line: int) -> int:
    return (file << LINE_BITS) | line


def test_rejected_rows_carry_where_they_came_from_why_and_what_they_were(written, run):
    sql = f"""
        SELECT {row_id(0, 17)} AS _row_id, 'O''1' AS "order id", -1 AS quantity,
            12345678901234567.25::DECIMAL(20,2) AS price
        UNION ALL SELECT {row_id(1, 2)}, NULL, 0, 0.10"""
    before = datetime.now(UTC).replace(tzinfo=None)
    made = quarantine.write([written(sql, RANGE)], batch(), run)
    assert made.rows == 2
    first, second = quarantine.rows([made.path], 10)
    assert first.raw_text == '{"order id":"O\'1","quantity":-1,"price":12345678901234567.25}'
    assert json.loads(second.raw_text) == {"order id": None, "quantity": 0, "price": 0.1}
    assert (first.source_uri, first.source_etag, first.line) == ("s3://raw/it's/one.csv", "e1", 17)
    assert (second.source_uri, second.source_etag, second.line) == ("s3://raw/it's/two.csv", None, 2)
    assert (first.run_id, first.pipeline, first.stage) == ("run-1", "sales", "quality")
    assert (first.column, first.code, first.message) == ("quantity", "quality.range.quantity", "wanted: quantity >= 1")
    assert (first.byte_position, first.raw_bytes) == (None, None)
    assert before <= first.rejected_at <= datetime.now(UTC).replace(tzinfo=None)


def test_what_a_cast_refused_stands_in_the_place_that_it_emptied(written, run):
    sql = """
        SELECT 1::BIGINT AS _row_id, 7 AS id, NULL::INTEGER AS price, '1,"5' AS _refused
        UNION ALL SELECT 2, 8, 3, NULL"""
    moved = "SELECT 3::BIGINT AS _row_id, 9 AS id, NULL::INTEGER AS cost, 'x' AS _refused"
    made = quarantine.write([written(sql, CAST), written(moved, CAST)], batch(), run)
    rejects = quarantine.rows([made.path], 10)
    assert [json.loads(reject.raw_text) for reject in rejects] == [
        {"id": 7, "price": '1,"5'}, {"id": 8, "price": 3}, {"id": 9, "cost": None, "price": "x"},
    ]  # fmt: skip
    assert {(one.column, one.code, one.message) for one in rejects} == {
        ("price", "quality.cast.price", "wanted: price as integer")
    }


def test_the_file_has_the_columns_of_the_quarantine(written, run):
    made = quarantine.write([written("SELECT 1::BIGINT AS _row_id, 1 AS a", RANGE)], batch(), run)
    schema = pq.read_schema(made.path)
    assert [(field.name, str(field.type)) for field in schema] == [
        (name, arrow) for name, _, arrow in QUARANTINE_COLUMNS
    ]


def test_rows_of_several_frames_with_other_columns_go_into_one_file(written, run):
    files = [
        written("SELECT 1::BIGINT AS _row_id, 1 AS a FROM range(3)", RANGE),
        written("SELECT 2::BIGINT AS _row_id, 'x' AS b, 'y' AS uri, 'z' AS place FROM range(2)", CAST),
        written("SELECT 3::BIGINT AS _row_id, 'x' AS b FROM range(2)", CAST),
        written("SELECT 4::BIGINT AS _row_id, 'x' AS b WHERE false", CAST),
    ]
    made = quarantine.write(files, batch(), run)
    assert made.rows == 7
    groups = quarantine.summary([made.path])
    assert [(group.code, group.records) for group in groups] == [
        ("quality.cast.price", 4),
        ("quality.range.quantity", 3),
    ]
    texts = {reject.raw_text for reject in quarantine.rows([made.path], 10, code="quality.cast.price")}
    assert texts == {'{"b":"x","uri":"y","place":"z"}', '{"b":"x"}'}


def test_numbers_that_json_lacks_stand_as_text(written, run):
    sql = "SELECT 1::BIGINT AS _row_id, 'nan'::DOUBLE AS a, '-inf'::DOUBLE AS b, 0.5::DOUBLE AS c, NULL::DOUBLE AS d"
    made = quarantine.write([written(sql, RANGE)], batch(), run)
    [reject] = quarantine.rows([made.path], 1)
    assert json.loads(reject.raw_text) == {"a": "nan", "b": "-inf", "c": 0.5, "d": None}


def test_rows_without_lineage_are_kept_without_a_place(written, run):
    made = quarantine.write([written("SELECT NULL::BIGINT AS _row_id, 1 AS a", RANGE)], batch(), run)
    [reject] = quarantine.rows([made.path], 1)
    assert (reject.source_uri, reject.line, reject.raw_text) == (None, None, '{"a":1}')


def test_nothing_is_written_when_nothing_was_rejected(written, run):
    assert quarantine.write([], batch(), run) == quarantine.Quarantined(None, 0)
    assert quarantine.write([written("SELECT 1 AS a WHERE false", RANGE)], batch(), run).path is None


def test_a_rejected_row_that_cannot_be_written_stops_the_run(written, run):
    file = written("SELECT 1::BIGINT AS _row_id, 'a secret value' AS a", RANGE)
    run.scratch.write_text("in the way")
    with pytest.raises(QuarantineError, match="Nothing was published") as refused:
        quarantine.write([file], batch(), run)
    assert "a secret value" not in str(refused.value)


def test_a_quarantine_that_lost_rows_stops_the_run(written, run):
    from dataclasses import replace

    file = written("SELECT 1::BIGINT AS _row_id", RANGE)
    with pytest.raises(QuarantineError, match="only 1 were written"):
        quarantine.write([replace(file, rows=2)], batch(), run)


@pytest.fixture
def reader_rejects(tmp_path):
    columns = {name: pa.array([None, None], type=arrow if arrow != "timestamp[us]" else pa.timestamp("us"))
               for name, _, arrow in QUARANTINE_COLUMNS}  # fmt: skip
    columns["run_id"] = pa.array(["run-1", "run-1"])
    columns["pipeline"] = pa.array(["sales", "sales"])
    columns["source_uri"] = pa.array(["s3://raw/it's/one.csv", "s3://raw/it's/clone.csv"])
    columns["line"] = pa.array([3, 4], pa.int64())
    columns["code"] = pa.array(["bad_date", "bad_date"])
    columns["stage"] = pa.array(["reader", "reader"])
    columns["raw_bytes"] = pa.array([b"\xff", None])
    path = tmp_path / "reader-00000.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_rejects_of_reader_and_checks_are_shown_together(written, run, reader_rejects):
    made = quarantine.write([written("SELECT 9::BIGINT AS _row_id, 1 AS a FROM range(2)", RANGE)], batch(), run)
    paths = [made.path, reader_rejects]
    groups = [(group.source_uri[-9:], group.stage, group.code, group.records) for group in quarantine.summary(paths)]
    assert groups == [
        ("clone.csv", "reader", "bad_date", 1),
        ("s/one.csv", "quality", "quality.range.quantity", 2),
        ("s/one.csv", "reader", "bad_date", 1),
    ]
    assert [reject.line for reject in quarantine.rows(paths, 10)] == [4, 3, 9, 9]
    assert [reject.line for reject in quarantine.rows(paths, 3)] == [4, 3, 9]
    assert [reject.line for reject in quarantine.rows(paths, 10, code="bad_date")] == [4, 3]
    assert [reject.line for reject in quarantine.rows(paths, 10, file="one.csv")] == [3, 9, 9]
    assert [reject.line for reject in quarantine.rows(paths, 10, file="s3://raw/it's/clone.csv")] == [4]
    assert quarantine.rows(paths, 10, code="bad_date", file="one.csv")[0].raw_bytes == b"\xff"


def test_an_empty_quarantine_is_empty():
    assert quarantine.summary([]) == quarantine.rows([], 5) == ()


def test_a_damaged_quarantine_is_told(tmp_path):
    (tmp_path / "quality-00000.parquet").write_text("no parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        quarantine.summary([tmp_path / "quality-00000.parquet"])
