"""Contents that come back under one name: the tables follow the file, and each step is loaded exactly once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloud_etl.domain.files import FileRef, LoadedFiles, batch_id
from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import TargetError

START = datetime(2024, 5, 1, tzinfo=UTC)
CONTENTS = {"a": [(1, "a")], "b": [(1, "b"), (2, "b")], "-": []}
MODES = ("append", "replace", "upsert", "scd2")
# States of a file one after the other; equal neighbours are a file that was listed again.
WAYS = ("aba", "aab", "a-a", "ab-b", "abab", "a-ab")


class KilledError(Exception):
    """Stands for the end of the process."""


def take(bench, spec, columns, content, at, *, killed=False):
    """One run over the file: list, publish, load; gives the request it loaded, or None where nothing is new."""
    ref = FileRef("file:///store/raw/open.csv", "raw/open.csv", 10, f"etag-{content}", None, START)
    with bench.warehouse.loader() as loader:
        loaded = LoadedFiles.of(loader.loaded_files("sales"))
    if loaded.holds(ref):
        return None
    files = (loaded.next(ref),)
    request = bench.request(LoadTask(bench.publish(columns, CONTENTS[content]), spec))
    request = replace(request, files=files, batch_id=batch_id(files), run_at=START + timedelta(days=at))

    def kill(counts):
        raise KilledError

    if killed:
        with pytest.raises(KilledError):
            bench.load(request, kill)
    else:
        assert not bench.load(request).already_loaded
    return request


def expected(mode, way):
    """What the table holds after the contents of a way, by a model in Python."""
    steps = [content for number, content in enumerate(way) if number == 0 or way[number - 1] != content]
    if mode == "append":
        return sorted(row for content in steps for row in CONTENTS[content])
    if mode == "replace":
        return CONTENTS[steps[-1]]
    rows = {}
    for content in steps:
        rows.update(CONTENTS[content])
    return sorted(rows.items())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_the_table_follows_the_file_and_no_step_is_loaded_twice(bench, make_schema, mode, way):
    columns, spec = make_schema(id="integer", v="string"), LoadSpec(table="shop.sales", mode=mode, keys=("id",))
    for day, content in enumerate(way):
        # Killed before the commit, then run again; killed after it, then sent again and listed again.
        take(bench, spec, columns, content, day, killed=True)
        request = take(bench, spec, columns, content, day)
        if request is not None:
            assert bench.load(request).already_loaded
        assert take(bench, spec, columns, content, day) is None
    current = " WHERE is_current" if mode == "scd2" else ""
    assert bench.rows(f"SELECT id, v FROM shop.sales{current} ORDER BY 1, 2") == expected(mode, way)


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_reload_puts_its_rows_in_the_place_of_all_that_is_there_or_changes_nothing(bench, make_schema, mode):
    columns, spec = make_schema(id="integer", v="string"), LoadSpec(table="shop.sales", mode=mode, keys=("id",))
    assert take(bench, spec, columns, "b", 0) is not None
    with bench.warehouse.loader() as loader:
        loaded = LoadedFiles.of(loader.loaded_files("sales"))
    known = FileRef("file:///store/raw/open.csv", "raw/open.csv", 10, "etag-b", None, START)
    other = replace(known, uri="file:///store/raw/more.csv", key="raw/more.csv")

    def reload(*files, day):
        files = tuple(loaded.next(file) for file in files)
        task = LoadTask(bench.publish(columns, [(7, "c"), (8, "d")]), spec, starts_anew=True)
        request = replace(bench.request(task), files=files, batch_id=batch_id(files), reload=True)
        return bench.load(replace(request, run_at=START + timedelta(days=day)))

    with pytest.raises(TargetError, match=r"raw/open\.csv was loaded and is not among them"):
        reload(other, day=1)
    assert bench.rows("SELECT id, v FROM shop.sales ORDER BY 1") == CONTENTS["b"]
    [count] = reload(known, other, day=2).tables
    assert (count.mode, count.rows_before, count.deleted, count.inserted, count.rows_after) == ("replace", 2, 2, 2, 2)
    assert bench.rows("SELECT id, v FROM shop.sales ORDER BY 1") == [(7, "c"), (8, "d")]
    # Sent again with the generation that is loaded by now: it is that batch, and nothing happens.
    assert reload(known, other, day=3).already_loaded
