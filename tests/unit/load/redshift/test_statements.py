"""Every statement that is sent to Redshift, as snapshots; docs/reference/load-modes.md shows the same files."""

from __future__ import annotations

import pytest

from cloud_etl.load.redshift.transport import Answer

COLUMNS = {
    "order_id": ("order_id", "character varying", "NO", None, 16, None, None),
    "amount": ("amount", "numeric", "YES", None, None, 12, 2),
    "extra": ("extra", "super", "YES", None, None, None, None),
    "owner": ("owner", "character varying", "YES", None, 16, None, None),
}
SCD2 = [
    ("valid_from", "timestamp without time zone", "NO", None, None, None, None),
    ("valid_to", "timestamp without time zone", "YES", None, None, None, None),
    ("is_current", "boolean", "NO", None, None, None, None),
]
LAYOUT = {
    "distkey": "order_id", "sortkey": ["amount", "order_id"], "encode": {"amount": "az64"}, "comment": "The owner's",
    "comments": {"amount": "In euro"},
}  # fmt: skip


def sent(script):
    """The statements; what asks the catalog is long, always the same, and shown once, in catalog.sql."""
    short = ["-- columns of a table" if "svv_columns" in sql else f"{sql};" for sql in script.sent]
    return "\n".join("-- end of the session" if sql == "(close);" else sql for sql in short) + "\n"


@pytest.fixture
def filled(script):
    """A table that holds rows already; the counts are those of a batch of two rows, one of which is new."""
    script.tables["shop.sales"] = [COLUMNS["order_id"], COLUMNS["amount"]]
    script.answers = {
        "pg_last_copy_count": (2,),
        r'count\(\*\) FROM (cloud_etl_(copied|batch)_1|"shop"\."cloud_etl_copied.*")$': (2,),
        r'count\(\*\) FROM "shop"\."sales" JOIN': (1,),
        r'count\(\*\) FROM cloud_etl_\w+ AS b WHERE EXISTS': (1,),
        r'count\(\*\) FROM "shop"\."sales"$': (5,),
        "^(INSERT INTO|DELETE FROM) \"shop\"": Answer([], 2),
    }  # fmt: skip
    return script


@pytest.fixture
def batch(shop):
    def make(**load):
        return shop.task(shop.schema(order_id="string", amount="decimal(12,2)"), [("a", 1), ("b", None)], **load)

    return make


@pytest.mark.parametrize("mode", ["append", "replace", "upsert", "scd2"])
def test_each_mode_on_a_table_with_rows(filled, new_loader, shop, batch, matches_snapshot, mode):
    if mode == "scd2":
        filled.tables["shop.sales"] += SCD2
    new_loader().load(shop.request(batch(mode=mode, keys=["order_id"])), lambda counts: None)
    matches_snapshot(f"{mode}.sql", sent(filled))


def test_a_new_table_with_its_layout(filled, new_loader, shop, batch, matches_snapshot):
    del filled.tables["shop.sales"]
    filled.answers[r'count\(\*\) FROM "shop"\."sales"$'] = [(0,), (2,)]
    new_loader().load(shop.request(batch(mode="upsert", keys=["order_id"], **LAYOUT)), lambda counts: None)
    matches_snapshot("create.sql", sent(filled))


def test_a_table_that_lacks_a_column_and_is_too_narrow(filled, new_loader, shop, matches_snapshot):
    def widen():
        filled.tables["shop.sales"][0] = ("order_id", "character varying", "NO", None, 64, None, None)

    filled.then["ALTER COLUMN"] = widen
    columns = shop.schema(order_id="string", amount="decimal(12,2)", extra="json", note="string")
    task = shop.task(columns, [("a" * 20, 1, '{"a": 1}', None), ("b", None, None, "x")], encode={"note": "zstd"})
    new_loader().load(shop.request(task), lambda counts: None)
    matches_snapshot("evolve.sql", sent(filled))


def test_an_upsert_of_keys_that_the_table_holds_twice(filled, new_loader, shop, batch, matches_snapshot):
    filled.tables["shop.sales"] += [COLUMNS["owner"]]
    filled.answers = {"SELECT count.*FROM cloud_etl_kept": (1,), **filled.answers}
    filled.answers[r'count\(\*\) FROM "shop"\."sales" JOIN'] = (2,)
    new_loader().load(shop.request(batch(mode="upsert", keys=["order_id"])), lambda counts: None)
    matches_snapshot("upsert-doubled.sql", sent(filled))


def test_a_versioned_table_with_json_and_columns_that_the_batch_lacks(filled, new_loader, shop, matches_snapshot):
    filled.tables["shop.sales"] = [COLUMNS["order_id"], COLUMNS["extra"], COLUMNS["owner"], *SCD2]
    filled.answers = {"FROM cloud_etl_(kept|changed)$": (1,), **filled.answers}
    task = shop.task(shop.schema(order_id="string", extra="json"), [("a", "1"), ("b", "{}")], mode="scd2",
                     keys=["order_id"])  # fmt: skip
    new_loader().load(shop.request(task), lambda counts: None)
    matches_snapshot("scd2-json.sql", sent(filled))


def test_two_tables_staged_in_a_schema_with_roles_in_a_chain(filled, new_loader, shop, batch, matches_snapshot):
    role = "arn:aws:iam::123456789012:role/etl"
    tasks = [batch(distkey="ORDER_ID"), batch(table="shop.copy", output="second")]
    loader = new_loader(staging_schema="shop", copy_role=f"{role},{role}2", query_group="nightly")
    loader.load(shop.request(*tasks), lambda counts: None)
    matches_snapshot("staging-schema.sql", sent(filled))


def test_the_first_load_of_all_makes_the_ledger(filled, new_loader, shop, matches_snapshot):
    for name in list(filled.tables):
        del filled.tables[name]
    task = shop.task(shop.schema(id="integer"))
    loader = new_loader()
    filled.answers["^CREATE TABLE IF NOT EXISTS cloud_etl"] = Answer([], -1)
    loader.load(shop.request(task), lambda counts: None)
    matches_snapshot("first.sql", sent(filled))


def test_a_table_large_enough_is_analyzed_after_the_commit(filled, new_loader, shop, batch):
    filled.answers = {'^INSERT INTO "shop"': Answer([], 100_000), **filled.answers}
    new_loader().load(shop.request(batch()), lambda counts: None)
    assert filled.sent[-3:] == ["COMMIT", 'ANALYZE "shop"."sales"', "(close)"]


def test_the_catalog_is_asked_with_bound_names(filled, new_loader, matches_snapshot):
    assert str(new_loader().schema_of("shop.sales").find("amount").type) == "decimal(12,2)"
    matches_snapshot("catalog.sql", "".join(f"{sql};\n" for sql in filled.sent[:-1]))


def test_an_export_goes_through_a_cursor(filled, new_loader, tmp_path, matches_snapshot):
    filled.tables["shop.sales"] = [COLUMNS["order_id"], COLUMNS["extra"], *SCD2]
    new_loader().export("shop.sales", tmp_path / "out", current_only=True)
    matches_snapshot("export.sql", sent(filled))


def test_names_are_quoted_wherever_they_stand(filled, new_loader, shop, matches_snapshot):
    columns = shop.schema(**{'a"; DROP TABLE x; --': "string", "b'?%s:p1": "integer"})
    load = {"table": 's\'?".t"%s', "mode": "scd2", "keys": ['a"; DROP TABLE x; --'], "comment": "it's ?"}
    new_loader().load(shop.request(shop.task(columns, [("a", 1), ("b", 2)], **load)), lambda counts: None)
    matches_snapshot("names.sql", sent(filled))
