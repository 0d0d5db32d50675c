from pathlib import Path

import pytest

from cloud_etl.domain.resources import LEAST_BYTES, Resources
from cloud_etl.storage.parquet_queries import parquet_queries, query_error, quoted, read_parquet, text


def write(path: Path, sql: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with parquet_queries(Resources(LEAST_BYTES, 1)) as queries:
        queries.rows(f"COPY ({sql}) TO {text(path)} (FORMAT parquet)")
    return path


@pytest.mark.parametrize("name", ["a*.parquet", "a?.parquet", "a[bc].parquet", "a{b,c}.parquet", 'it\'s "a".parquet'])
def test_exactly_the_named_file_is_read_whatever_its_name_looks_like(tmp_path, name):
    for other in ("ab.parquet", "ac.parquet"):
        write(tmp_path / other, "SELECT 'other' AS v")
    named = write(tmp_path / name, "SELECT 'named' AS v")
    with parquet_queries(Resources(LEAST_BYTES, 1)) as queries:
        assert queries.rows(f"SELECT v FROM {read_parquet([named])}") == [("named",)]


def test_names_of_folders_are_no_columns(tmp_path):
    path = write(tmp_path / "region=north" / "a.parquet", "SELECT 1 AS v")
    with parquet_queries(Resources(LEAST_BYTES, 1)) as queries:
        assert queries.rows(f"DESCRIBE SELECT * FROM {read_parquet([path])}")[0][0] == "v"
        with pytest.raises(query_error(), match="region"):
            queries.rows(f"SELECT region FROM {read_parquet([path])}")


def test_names_and_texts_come_back_as_they_were_given():
    word = 'it\'s "a" \\ name; --'
    with parquet_queries(Resources(LEAST_BYTES, 1)) as queries:
        assert queries.rows(f"SELECT {quoted(word)} FROM (SELECT {text(word)} AS {quoted(word)})") == [(word,)]


def test_rows_keep_their_order_where_asked(tmp_path):
    files = [
        write(tmp_path / f"{part}.parquet", f"SELECT {part} * 10000 + range AS v FROM range(10000)")
        for part in (2, 0, 1)
    ]
    with parquet_queries(Resources(LEAST_BYTES, 2), tmp_path, keep_order=True) as queries:
        queries.rows(f"COPY (SELECT * FROM {read_parquet(files)}) TO {text(tmp_path / 'all.parquet')} (FORMAT parquet)")
        found = [row[0] for row in queries.rows(f"SELECT v FROM {read_parquet([tmp_path / 'all.parquet'])}")]
    assert found == [*range(20000, 30000), *range(20000)]
