"""Batches applied one by one give what a model in Python gives."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec

NAMES = st.none() | st.sampled_from(["a", "b", "c"])
BATCH = st.dictionaries(st.integers(0, 5), st.tuples(NAMES, st.none() | st.integers(0, 2)), max_size=6)
BATCHES = st.lists(BATCH, min_size=1, max_size=4)
PROPERTY = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def requests(bench, spec, columns, batches):
    for batch in batches:
        rows = [(key, *values) for key, values in batch.items()]
        yield batch, bench.request(LoadTask(bench.publish(columns, rows), spec))


def balanced(table):
    return table.rows_before + table.inserted - table.deleted == table.rows_after


@PROPERTY
@given(batches=BATCHES)
def test_upserts_equal_the_updates_of_a_dict(new_bench, make_schema, batches):
    bench, model = new_bench(), {}
    spec = LoadSpec(table="s.t", mode="upsert", keys=("id",))
    for batch, request in requests(bench, spec, make_schema(id="integer", name="string", n="bigint"), batches):
        table = bench.load(request).tables[0]
        assert (table.copied, table.deleted) == (len(batch), len(batch.keys() & model.keys()))
        model |= batch
        assert balanced(table)
    assert bench.load(request).already_loaded
    assert bench.rows("SELECT * FROM s.t ORDER BY id") == [(key, *model[key]) for key in sorted(model)]


@PROPERTY
@given(batches=BATCHES)
def test_scd2_equals_a_list_of_versions(new_bench, make_schema, batches):
    bench, versions = new_bench(), []
    spec = LoadSpec(table="s.t", mode="scd2", keys=("id",))
    for batch, request in requests(bench, spec, make_schema(id="integer", name="string", n="bigint"), batches):
        at = request.run_at.replace(tzinfo=None)
        opened = 0
        for key, values in batch.items():
            current = next((one for one in versions if one[0] == key and one[-1]), None)
            if current is not None and tuple(current[1:3]) == values:
                continue
            if current is not None:
                current[-2:] = [at, False]
            versions.append([key, *values, at, None, True])
            opened += 1
        table = bench.load(request).tables[0]
        assert (table.copied, table.inserted, table.deleted) == (len(batch), opened, 0)
        assert balanced(table)
    assert bench.load(request).already_loaded
    stored = bench.rows("SELECT id, name, n, valid_from, valid_to, is_current FROM s.t ORDER BY id, valid_from")
    assert stored == sorted(map(tuple, versions), key=lambda one: (one[0], one[3]))
