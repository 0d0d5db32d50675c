"""What the pre-flight tells a user: file, column, remedy, all at once; nothing is sent that changes anything."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.schema import TextLimits
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import SchemaEvolutionError, TargetError

SALES = [
    ("id", "integer", "NO", None, None, None, None),
    ("name", "character varying", "YES", None, 16, None, None),
    ("price", "numeric", "YES", None, None, 8, 2),
]


@pytest.fixture
def refused(script, new_loader, shop):
    """The message of a load that the pre-flight refuses; nothing that changes Redshift was sent."""

    def refused(*tasks: LoadTask, kind: type[TargetError] = TargetError) -> str:
        with pytest.raises(kind) as caught:
            new_loader().load(shop.request(*tasks), lambda counts: None)
        assert type(caught.value) is kind
        assert [sql for sql in script.sent if not sql.startswith(("SELECT", "SET", "(close)"))] == []
        return str(caught.value)

    return refused


def test_all_findings_are_told_at_once_with_file_column_and_remedy(script, shop, refused):
    script.tables["shop.sales"] = SALES
    columns = shop.schema(id="integer", name="string", extra="json", price="bigint")
    rows = [(None, "a\0b", "{", 1), (2, "x" * 70_000, "[]", None)]
    other = shop.task(shop.schema(v="decimal(38,38)"), [(None,)], output="other", table="shop.other")
    message = refused(shop.task(columns, [(1, "a", "1", 1)], rows), other, kind=SchemaEvolutionError)
    assert message.splitlines()[0] == ("the pre-flight of the load found 6 problems. Nothing was copied or loaded.")
    for finding in (
        "column price is numeric(8,2) in the table and bigint in the output (it would take ALTER TABLE",
        "out: column id: 1 rows without id, which shop.sales needs",
        "out: column name: a value of 70,000 bytes, and Redshift holds 65,535; cut it in transform",
        "out: column name: 1 values with the character NUL, which Redshift refuses; replace it",
        "out: column extra: 1 values do not fit: a json column takes JSON text only",
        "other: column v: decimal(38,38) has more than 37 digits behind the point",
    ):
        assert finding in message
    # Where the row stands in its source, and no work file.
    assert [line.rpartition("; the first is in ")[2] for line in message.splitlines()[2:6]] == [
        "raw/1.csv line 0", "raw/1.csv line 1", "raw/1.csv line 0", "raw/1.csv line 0",
    ]  # fmt: skip
    assert ".parquet" not in message


def test_a_type_that_would_need_a_new_column_is_refused_with_the_statements_it_takes(script, shop, refused):
    script.tables["shop.sales"] = SALES
    message = refused(shop.task(shop.schema(id="bigint"), [(1,)]), kind=SchemaEvolutionError)
    assert (
        'column id is integer in the table and bigint in the output (it would take ALTER TABLE "shop"."sales" '
        'ADD COLUMN "id_new" BIGINT; UPDATE "shop"."sales" SET "id_new" = CAST("id" AS BIGINT); '
        'ALTER TABLE "shop"."sales" DROP COLUMN "id"; '
        'ALTER TABLE "shop"."sales" RENAME COLUMN "id_new" TO "id", which rewrites the table)'
    ) in message
    assert "Nothing was loaded" in message


def test_an_escaped_nul_in_json_is_found_before_anything_is_copied(shop, refused):
    texts = [r'{"a": "x\u0000"}', r'{"a": "\\\u0000"}', r'{"a": "\\u0000"}', '{"a": "u0000"}']
    message = refused(shop.task(shop.schema(doc="json"), [(text,) for text in texts]))
    assert "column doc: 2 values with the character NUL, which Redshift refuses" in message


@pytest.mark.parametrize("native", ["character", "super"])
def test_what_is_no_varchar_is_never_told_to_become_one_in_place(script, shop, refused, native):
    script.tables["shop.sales"] = [("id", native, "YES", None, None, None, None)]
    message = refused(shop.task(shop.schema(id="string"), [("a",)]), kind=SchemaEvolutionError)
    assert f"column id is {native} in the table and string in the output" in message
    assert 'ALTER TABLE "shop"."sales" ADD COLUMN "id_new" VARCHAR(65535); UPDATE' in message
    assert "ALTER COLUMN" not in message
    assert "lose data" not in message


def test_wider_text_is_refused_where_the_schema_must_not_change(script, shop, refused):
    script.tables["shop.sales"] = SALES
    columns = shop.schema(id="integer", name="string")
    task = shop.task(columns, [(1, "\u20ac" * 6)], on_schema_change="fail")
    message = refused(task, kind=SchemaEvolutionError)
    assert 'ALTER TABLE "shop"."sales" ALTER COLUMN "name" TYPE VARCHAR(64)' in message
    assert "on_schema_change is fail" in message


@pytest.mark.parametrize(
    ("load", "fixed"),
    [
        ({}, {}),
        ({"on_schema_change": "fail"}, {"name": 16}),
        ({"encode": {"Name": "text255"}}, {"name": 16}),
        ({"encode": {"id": "bytedict"}}, {}),
    ],
)
def test_a_text_may_be_as_long_as_a_column_that_the_load_does_not_make_wider(script, new_loader, load, fixed):
    script.tables["shop.sales"] = SALES
    limits = new_loader().text_limits(LoadSpec.model_validate({"table": "shop.sales", **load}))
    assert limits == TextLimits(65_535, fixed)
    assert bool(script.sent) == bool(load)


def test_a_group_without_a_line_of_its_own_names_output_and_column(shop, refused):
    task = shop.task(shop.schema(notes="string"), [("x" * 70_000,)])
    path = task.publication.local_paths[0]
    pq.write_table(pq.read_table(path).rename_columns(["notes", "_rows_folded"]), path)
    assert "out: column notes: a value of 70,000 bytes" in (message := refused(task))
    assert "the first is in out-0.parquet, whose rows have no line of their own" in message


def test_a_table_that_holds_more_than_a_batch_needs_is_left_as_it_is(script, new_loader, shop):
    script.tables["shop.sales"] = SALES
    script.answers = {"pg_last_copy_count": (1,), "FROM cloud_etl_copied_1$": (1,)}
    task = shop.task(shop.schema(id="integer", name="string", price="decimal(5,1)"), [(1, "\u20ac" * 5, 1)])
    new_loader().load(shop.request(task), lambda counts: None)
    assert [sql for sql in script.sent if sql.startswith("ALTER")] == []


@pytest.mark.parametrize(
    ("table", "finding"),
    [
        (pa.table({"id": pa.array([1], pa.int32())}), "column name: string in its manifest and missing in its files"),
        (
            pa.table({"id": pa.array([1], pa.int64()), "name": ["a"]}),
            "column id: integer in its manifest and int64 in its files",
        ),
        (
            pa.table({"id": pa.array([1], pa.int32()), "name": ["a"], "more": ["b"]}),
            "column more: not in its manifest",
        ),
        (
            pa.table({"id": pa.array([1], pa.uint32()), "name": ["a"]}),
            "column id: uint32 is no type that COPY reads from Parquet; cast it in transform",
        ),
        (
            pa.table({"id": pa.array([1], pa.int32()), "name": [b"a"]}),
            "column name: binary is no type that COPY reads",
        ),
        (
            pa.table({"name": ["a"], "id": pa.array([1], pa.int32()), "_row_id": pa.array([1], pa.int64())}),
            "its columns stand in another order than those of out-0.parquet",
        ),
    ],
)
def test_a_file_that_is_not_what_its_manifest_says_is_named(shop, refused, table, finding):
    task = shop.task(shop.schema(id="integer", name="string"), [(1, "a")], [(2, "b")])
    pq.write_table(table, task.publication.local_paths[1])
    message = refused(task)
    assert f"out: out-1.parquet, {finding}" in message


def test_a_file_that_is_cut_is_named(shop, refused):
    task = shop.task(shop.schema(id="integer"), [(1,)])
    path = task.publication.local_paths[0]
    path.write_bytes(path.read_bytes()[:-4])
    assert "out-0.parquet of out cannot be read as Parquet" in refused(task)


def test_a_file_that_is_gone_is_named(shop, refused):
    task = shop.task(shop.schema(id="integer"), [(1,)])
    task.publication.local_paths[0].unlink()
    assert "out-0.parquet of out cannot be read" in refused(task)


@pytest.mark.parametrize(
    ("columns", "table", "finding"),
    [
        ({"x" * 128: "integer"}, "shop.t", "the name is longer than 127 bytes"),
        ({"a\nb": "integer"}, "shop.t", "the name holds characters that cannot be printed"),
        ({"a": "integer"}, "\u00e9" * 64 + ".t", "schema '\u00e9\u00e9"),
    ],
)
def test_names_that_redshift_has_no_room_for_are_refused(shop, refused, columns, table, finding):
    assert finding in refused(shop.task(shop.schema(**columns), [(1,)], table=table))


def test_a_publication_in_a_folder_is_refused(script, new_loader, shop):
    task = shop.task(shop.schema(id="integer"), [(1,)])
    task = replace(task, publication=replace(task.publication, manifest_uri="file:///data/manifest.json"))
    with pytest.raises(TargetError, match=r"file:///data/manifest\.json is not in S3, where COPY reads"):
        new_loader().load(shop.request(task), lambda counts: None)
    assert "BEGIN" not in script.sent


def test_columns_that_the_table_needs_and_the_output_lacks_are_refused(script, shop, refused):
    script.tables["shop.sales"] = [*SALES, ("owner", "character varying", "NO", None, 16, None, None)]
    message = refused(shop.task(shop.schema(id="integer"), [(1,)]), kind=SchemaEvolutionError)
    assert "column owner of the table is NOT NULL without a default and the output lacks it" in message
