"""Tables and outputs that differ: columns added and widened, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import SchemaEvolutionError, TargetError

TABLE = "shop.sales"
SPEC = LoadSpec(table=TABLE)
UPSERT = LoadSpec(table=TABLE, mode="upsert", keys=("id",))


def types(bench):
    with bench.warehouse.loader() as loader:
        return {column.name: str(column.type) for column in loader.schema_of(TABLE).columns}


def ddl(bench, spec, columns):
    with bench.warehouse.loader() as loader:
        return loader.ddl(spec, columns)


def test_a_new_column_is_added_and_old_rows_hold_null(bench, make_schema):
    bench.load_rows(SPEC, make_schema(id="integer"), [(1,)])
    bench.load_rows(SPEC, make_schema(id="integer", note="string"), [(2, "x")])
    assert bench.rows("SELECT * FROM shop.sales ORDER BY id") == [(1, None), (2, "x")]


@pytest.mark.parametrize(
    ("before", "after", "table"),
    [
        ("integer", "bigint", "bigint"),
        ("integer", "double", "double"),
        ("integer", "decimal(12,2)", "decimal(12,2)"),
        ("integer", "decimal(5,2)", "decimal(12,2)"),
        ("bigint", "decimal(12,2)", "decimal(21,2)"),
        ("decimal(10,2)", "decimal(12,4)", "decimal(12,4)"),
        ("decimal(10,2)", "decimal(8,4)", "decimal(12,4)"),
        ("date", "timestamp", "timestamp"),
        ("json", "string", "string"),
        ("bigint", "integer", "bigint"),
        ("decimal(21,2)", "bigint", "decimal(21,2)"),
        ("timestamp", "date", "timestamp"),
        ("string", "json", "string"),
    ],
)
def test_columns_are_widened_and_never_narrowed(bench, make_schema, before, after, table):
    samples = {"int": 7, "big": 7, "dou": 7.0, "dec": Decimal(7), "jso": "7", "str": "7"}
    from datetime import date, datetime

    samples |= {"dat": date(2024, 1, 7), "tim": datetime(2024, 1, 7)}
    if table != before and not bench.warehouse.widens:
        bench.load_rows(SPEC, make_schema(v=before), [(samples[before[:3]],)])
        with pytest.raises(
            SchemaEvolutionError, match=r"column v is .*it would take ALTER TABLE .* rewrites the table"
        ):
            bench.load_rows(SPEC, make_schema(v=after), [(samples[after[:3]],)])
        assert types(bench) == {"v": before}
        return
    for text in (before, after, before, after):
        bench.load_rows(SPEC, make_schema(v=text), [(samples[text[:3]],)])
    assert types(bench) == {"v": table}
    assert bench.rows("SELECT count(DISTINCT v), count(*) FROM shop.sales") == [(1, 4)]


@pytest.mark.parametrize(
    ("before", "after"),
    [("string", "integer"), ("integer", "string"), ("bigint", "double"), ("decimal(10,2)", "double"),
     ("timestamp", "string"), ("decimal(38,0)", "decimal(10,2)"), ("boolean", "integer"), ("string", "timestamp")],
)  # fmt: skip
def test_types_that_do_not_fit_are_refused_before_anything_is_written(bench, make_schema, before, after):
    bench.load_rows(SPEC, make_schema(id="integer", v=before), [])
    with pytest.raises(SchemaEvolutionError, match="column v is") as caught:
        bench.load_rows(SPEC, make_schema(id="integer", extra="string", v=after), [])
    change = "ALTER COLUMN" if bench.warehouse.widens else "ADD COLUMN"
    assert f'ALTER TABLE "shop"."sales" {change} "v' in str(caught.value)
    assert "Nothing was loaded" in str(caught.value)
    assert types(bench) == {"id": "integer", "v": before}


def test_on_schema_change_fail_names_the_statements(bench, make_schema):
    spec = LoadSpec(table=TABLE, on_schema_change="fail")
    bench.load_rows(spec, make_schema(id="integer"), [(1,)])
    bench.load_rows(spec, make_schema(id="integer"), [(2,)])
    with pytest.raises(SchemaEvolutionError, match='ADD COLUMN "note"'):
        bench.load_rows(spec, make_schema(id="integer", note="string"), [(3, "x")])
    assert types(bench) == {"id": "integer"}


def test_columns_are_matched_by_name_not_by_place(bench, make_schema):
    bench.load_rows(SPEC, make_schema(a="string", b="string"), [("a1", "b1")])
    bench.load_rows(SPEC, make_schema(B="string", a="string"), [("b2", "a2")])
    assert bench.rows("SELECT a, b FROM shop.sales ORDER BY a") == [("a1", "b1"), ("a2", "b2")]


def test_columns_the_output_lacks_are_null_in_new_rows(bench, make_schema):
    bench.load_rows(SPEC, make_schema(id="integer", note="string"), [(1, "x")])
    bench.load_rows(SPEC, make_schema(id="integer"), [(2,)])
    assert bench.rows("SELECT * FROM shop.sales ORDER BY id") == [(1, "x"), (2, None)]


def test_upsert_keeps_the_values_of_columns_the_output_lacks(bench, make_schema):
    bench.load_rows(UPSERT, make_schema(id="integer", name="string", note="string"), [(1, "a", "x"), (2, "b", "y")])
    count = bench.load_rows(UPSERT, make_schema(id="integer", name="string"), [(2, "B"), (3, "c")])
    assert (count.inserted, count.deleted, count.copied) == (2, 1, 2)
    assert bench.rows("SELECT * FROM shop.sales ORDER BY id") == [(1, "a", "x"), (2, "B", "y"), (3, "c", None)]


def test_scd2_carries_the_values_of_columns_the_output_lacks_to_the_new_version(bench, make_schema):
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    bench.load_rows(spec, make_schema(id="integer", name="string", note="string"), [(1, "a", "x"), (2, "b", "y")])
    count = bench.load_rows(spec, make_schema(id="integer", name="string"), [(1, "a"), (2, "B"), (3, "c")])
    assert (count.inserted, count.copied) == (2, 3)
    assert bench.rows("SELECT id, name, note, is_current FROM shop.sales ORDER BY id, valid_from") == [
        (1, "a", "x", True), (2, "b", "y", False), (2, "B", "y", True), (3, "c", None, True),
    ]  # fmt: skip


def test_names_that_differ_in_case_only_are_refused(bench, make_schema):
    with pytest.raises(TargetError, match=r"A, a for shop\.sales differ in upper and lower case"):
        bench.load_rows(SPEC, make_schema(a="string", A="string"), [])


def test_scd2_refuses_a_table_that_keeps_no_versions(bench, make_schema):
    bench.load_rows(SPEC, make_schema(id="integer"), [(1,)])
    with pytest.raises(SchemaEvolutionError, match="needs valid_from, valid_to, is_current"):
        bench.load_rows(LoadSpec(table=TABLE, mode="scd2", keys=("id",)), make_schema(id="integer"), [(1,)])


def test_not_null_columns_that_the_output_lacks_are_refused(bench, make_schema):
    bench.warehouse.execute("CREATE SCHEMA shop", "CREATE TABLE shop.sales (id INTEGER, owner VARCHAR NOT NULL)")
    with pytest.raises(SchemaEvolutionError, match=r'column owner of the table is NOT NULL .* "owner" DROP NOT NULL'):
        bench.load_rows(SPEC, make_schema(id="integer"), [(1,)])


def test_defaults_of_columns_that_the_output_lacks_apply_to_new_rows_only(bench, make_schema):
    bench.warehouse.execute(
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.sales (id INTEGER, owner VARCHAR NOT NULL DEFAULT 'nobody')",
        "INSERT INTO shop.sales VALUES (1, 'me')",
    )
    bench.load_rows(UPSERT, make_schema(id="integer"), [(1,), (2,)])
    assert bench.rows("SELECT * FROM shop.sales ORDER BY id") == [(1, "me"), (2, "nobody")]


def test_missing_values_for_a_not_null_column_are_refused_with_their_number(bench, make_schema):
    bench.warehouse.execute("CREATE SCHEMA shop", "CREATE TABLE shop.sales (id INTEGER NOT NULL)")
    bench.load_rows(SPEC, make_schema(id="integer"), [(1,)])
    with pytest.raises(TargetError, match="2 rows without id"):
        bench.load_rows(SPEC, make_schema(id="integer"), [(1,), (None,), (None,)])
    assert bench.rows("SELECT count(*) FROM shop.sales") == [(1,)]


def test_columns_of_types_that_no_contract_has_stay_as_they_are(bench, make_schema):
    bench.warehouse.execute(
        "CREATE SCHEMA shop", f"CREATE TABLE shop.sales (id INTEGER, token {bench.warehouse.foreign_type})"
    )
    bench.load_rows(SPEC, make_schema(id="integer"), [(1,)])
    assert types(bench) == {"id": "integer"}
    with pytest.raises(SchemaEvolutionError, match=r"column token is .* in the table and string in the output"):
        bench.load_rows(SPEC, make_schema(id="integer", token="string"), [(1, "x")])


FILES = [
    {"names": {1: "a", 2: "b"}, "notes": {1: "x", 2: "y"}},
    {"names": {1: "A", 3: "c"}, "notes": None},
    {"names": {2: "b", 3: "c"}, "notes": {2: "z", 3: None}},
    {"names": {1: "A", 2: "B", 4: "d"}, "notes": None},
]
DIVISIONS = [(0, 4), (0, 1, 2, 3, 4), (0, 1, 4), (0, 2, 4), (0, 1, 3, 4)]


def rows_of(files, mode):
    """What one run gives to the table: each row holds what its own file holds, the newest of a key without append."""
    rows = [(key, name, (file["notes"] or {}).get(key)) for file in files for key, name in file["names"].items()]
    return sorted(rows if mode == "append" else {row[0]: row for row in rows}.values(), key=str)


@pytest.mark.parametrize("files", [FILES, FILES[1:] + FILES[:1], FILES[1::-1] + FILES[2:]])
@pytest.mark.parametrize("mode", ["upsert", "scd2", "append", "replace"])
def test_an_evolved_column_holds_what_the_rows_file_holds_however_files_fall_into_batches(new_bench, mode, files):
    spec = LoadSpec(table=TABLE, mode=mode, keys=("id",) if mode in ("upsert", "scd2") else ())
    for cuts in DIVISIONS:
        bench = new_bench()
        for first, last in pairwise(cuts):
            batch = files[first:last]
            rows, evolved, columns = rows_of(batch, mode), ("note",), {"id": "integer", "name": "string"}
            if any(file["notes"] is not None for file in batch):
                columns["note"] = "string"
            else:
                rows, evolved = [row[:2] for row in rows], ()
            bench.load(bench.request(bench.task(spec, bench.schema(**columns), rows, evolved)))
        where = " WHERE is_current" if mode == "scd2" else ""
        found = bench.rows(f"SELECT id, name, note FROM shop.sales{where}")
        assert sorted(found, key=str) == rows_of(batch if mode == "replace" else files, mode)


def test_a_column_of_a_persons_own_is_kept_where_columns_evolve(bench, make_schema):
    bench.load(bench.request(bench.task(UPSERT, make_schema(id="integer", note="string"), [(1, "x")], ("note",))))
    bench.warehouse.execute(
        "ALTER TABLE shop.sales ADD COLUMN owner VARCHAR(16)", "UPDATE shop.sales SET owner = 'me' WHERE id = 1"
    )
    bench.load(bench.request(bench.task(UPSERT, make_schema(id="integer", more="string"), [(1, "m")], ("more",))))
    bench.load(bench.request(bench.task(UPSERT, make_schema(id="integer"), [(1,)], ())))
    assert bench.rows("SELECT id, note, owner, more FROM shop.sales") == [(1, None, "me", None)]
    assert [count.evolved for counts in bench.seen for count in counts] == [("note",), ("more",), ()]


OWN = {
    "duckdb": ("CREATE SEQUENCE shop.numbers START 100", "n BIGINT DEFAULT nextval('shop.numbers')",
               "twice INTEGER GENERATED ALWAYS AS (id * 2)"),
    "redshift": ("SELECT 1", "n BIGINT IDENTITY(100, 1)", "twice INTEGER DEFAULT 2"),
}  # fmt: skip


def own_table(bench, more=""):
    before, numbers, twice = OWN[bench.warehouse.name]
    bench.warehouse.execute(
        "CREATE SCHEMA shop",
        before,
        f"CREATE TABLE shop.sales (id INTEGER, name VARCHAR(16), {numbers}, {twice}{more})",
    )


@pytest.mark.parametrize("mode", ["upsert", "append", "replace"])
def test_columns_that_the_warehouse_fills_itself_are_left_alone(bench, make_schema, mode):
    own_table(bench)
    spec = LoadSpec(table=TABLE, mode=mode, keys=("id",) if mode == "upsert" else ())
    columns = make_schema(id="integer", name="string")
    bench.load_rows(spec, columns, [(1, "a"), (2, "b")])
    before = dict(bench.rows("SELECT id, n FROM shop.sales"))
    bench.load_rows(spec, columns, [(2, "B"), (3, "c")])
    bench.load_rows(spec, columns, [(3, "C")])
    rows = bench.rows("SELECT id, n, twice FROM shop.sales")
    assert len({number for _, number, _ in rows}) == len(rows)
    assert all(twice == (row * 2 if bench.warehouse.name == "duckdb" else 2) for row, _, twice in rows)
    if mode == "upsert":
        assert {row: number for row, number, _ in rows if row in before} == before


def test_a_new_version_gets_a_key_of_its_own(bench, make_schema):
    own_table(
        bench, ", valid_from TIMESTAMP, valid_to TIMESTAMP, is_current BOOLEAN, owner VARCHAR(16) DEFAULT 'me(1)'"
    )
    spec, columns = LoadSpec(table=TABLE, mode="scd2", keys=("id",)), make_schema(id="integer", name="string")
    bench.load_rows(spec, columns, [(1, "a"), (2, "b")])
    bench.warehouse.execute("UPDATE shop.sales SET owner = 'you' WHERE id = 2")
    bench.load_rows(spec, columns, [(2, "B")])
    numbers = [number for (number,) in bench.rows("SELECT n FROM shop.sales")]
    assert len(numbers) == len(set(numbers)) == 3
    assert bench.rows("SELECT owner FROM shop.sales WHERE id = 2") == [("you",), ("you",)]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_column_that_the_warehouse_alone_fills_is_refused_in_the_output_before_anything_is_copied(
    bench, make_schema, mode
):
    own_table(bench)
    name = {"duckdb": "twice", "redshift": "n"}[bench.warehouse.name]
    spec = LoadSpec(table=TABLE, mode=mode, keys=("id",) if mode == "upsert" else ())
    with pytest.raises(SchemaEvolutionError, match=rf"column {name} is filled by the warehouse alone .* leave it out"):
        bench.load_rows(spec, make_schema(**{"id": "integer", name: "bigint"}), [(1, 5)])
    assert bench.rows("SELECT count(*) FROM shop.sales") == [(0,)]


DDL = {
    "duckdb": {
        "create": (
            'CREATE SCHEMA IF NOT EXISTS "shop"',
            'CREATE TABLE "shop"."sales" ("id" INTEGER NOT NULL, "at" TIMESTAMP)',
        ),
        "evolve": (
            'ALTER TABLE "shop"."sales" ALTER COLUMN "id" TYPE BIGINT',
            'ALTER TABLE "shop"."sales" ADD COLUMN "note" JSON',
        ),
    },
    "redshift": {
        "create": (
            'CREATE SCHEMA IF NOT EXISTS "shop"',
            'CREATE TABLE "shop"."sales" ("id" INTEGER NOT NULL, "at" TIMESTAMP) DISTSTYLE AUTO',
        ),
        "evolve": ('ALTER TABLE "shop"."sales" ADD COLUMN "note" SUPER',),
    },
}


def test_ddl_tells_what_a_load_would_do_and_changes_nothing(bench, make_schema):
    expected, columns = DDL[bench.warehouse.name], make_schema(id="integer", at="timestamp")
    assert ddl(bench, UPSERT, columns) == expected["create"]
    assert bench.warehouse.is_untouched
    bench.load_rows(UPSERT, columns, [])
    assert ddl(bench, UPSERT, columns) == ()
    wider = make_schema(id="bigint" if bench.warehouse.widens else "integer", note="json")
    assert ddl(bench, UPSERT, wider) == expected["evolve"]
    assert types(bench) == {"id": "integer", "at": "timestamp"}


def test_files_that_are_not_what_their_manifest_says_are_refused(bench, make_schema):
    from dataclasses import replace

    publication = bench.publish(make_schema(v="double"), [(1.5,)])
    for declared in (make_schema(v="integer"), make_schema(w="double")):
        task = LoadTask(replace(publication, schema=declared), SPEC)
        with pytest.raises(TargetError, match="in its manifest and"):
            bench.load(bench.request(task))


def test_a_publication_whose_files_are_elsewhere_is_refused(bench, make_schema):
    from dataclasses import replace

    publication = replace(bench.publish(make_schema(v="double"), [(1.5,)]), local_paths=())
    with pytest.raises(TargetError, match="are not on this machine"):
        bench.load(bench.request(LoadTask(publication, SPEC)))
