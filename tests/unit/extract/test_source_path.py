from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.spec import SourceSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.source_path import fill, glob_pattern, source_place
from cloud_etl.storage.folder_store import FolderStore

DAY = date(2026, 1, 31)
names = st.text(st.characters(blacklist_characters="/", blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("glob", "fits", "misses"),
    [
        ("*", ["a.csv", "a b"], ["x/a.csv"]),
        ("*.csv*", ["a.csv", "a.csv.gz"], ["a.json", "x/a.csv", "acsv"]),
        ("**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv"], ["a.json", "x/a.json"]),
        ("**", ["a", "x/y/a.csv"], []),
        ("x/**", ["x/a", "x/y/a"], ["y/a", "x"]),
        ("year=*/month=??/*.csv", ["year=2026/month=01/a.csv"], ["year=2026/month=1/a.csv", "year=2026/a.csv"]),
        ("part-[0-9].csv", ["part-7.csv"], ["part-x.csv", "part-10.csv"]),
        ("part-[!0-9].csv", ["part-x.csv"], ["part-7.csv", "part-/.csv"]),
        ("[]].csv", ["].csv"], ["[.csv"]),
        ("[a^&~|\\].csv", ["^.csv", "\\.csv", "&.csv"], ["b.csv"]),
        ("open[.csv", ["open[.csv"], ["open.csv"]),
        ("a+b(c).csv", ["a+b(c).csv"], ["aab(c).csv"]),
        ("line?.csv", ["line\n.csv"], []),
    ],
)
def test_a_glob_fits_whole_paths(glob, fits, misses):
    pattern = glob_pattern(glob)
    assert [name for name in fits if not pattern.fullmatch(name)] == []
    assert [name for name in misses if pattern.fullmatch(name)] == []


@given(st.lists(names, min_size=1, max_size=4))
def test_a_path_without_glob_characters_fits_itself_only(parts):
    path = "/".join(parts)
    literal = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
    assert glob_pattern(literal).fullmatch(path)
    assert not glob_pattern(literal).fullmatch(path + "x")
    assert glob_pattern("**/" + "*").fullmatch(path)
    assert bool(glob_pattern("*").fullmatch(path)) == (len(parts) == 1)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("raw/{date}/", "raw/2026-01-31/"),
        ("raw/{date:%Y/%m/%d}", "raw/2026/01/31"),
        ("{date:%Y}{date:%j}.csv", "2026031.csv"),
        ("raw/", "raw/"),
    ],
)
def test_dates_are_filled_in(text, filled):
    assert fill(text, DAY) == filled


@pytest.mark.parametrize("text", ["raw/{dat}/", "{}", "{name:%Y}"])
def test_an_unknown_placeholder_is_named(text):
    with pytest.raises(SourceError, match="unknown placeholder"):
        fill(text, DAY)


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("raw/sales/", "raw/sales", "raw/sales"),
        ("./raw//sales/.", "raw/sales", "raw/sales"),
        (".", "", ""),
        ("raw/{date}/x", "raw/2026-01-31/x", "raw"),
        ("{date}", "2026-01-31", ""),
    ],
)
def test_a_path_below_the_store_becomes_a_prefix(tmp_path, path, prefix, expected):
    place = source_place(SourceSpec(path=path, format="csv"), FolderStore(tmp_path, S3Spec()), DAY)
    assert (place.prefix, place.expected) == (prefix, expected)


@pytest.mark.parametrize("path", ["/data/in", "../in", "raw/../../in", "raw/a\x00b"])
def test_a_path_that_leaves_the_store_is_refused(tmp_path, path):
    with pytest.raises(SourceError, match=r"source\.path"):
        source_place(SourceSpec(path=path, format="csv"), FolderStore(tmp_path, S3Spec()), DAY)


def test_an_absolute_url_opens_a_store_of_its_own(tmp_path):
    store = FolderStore(tmp_path / "store", S3Spec())
    place = source_place(SourceSpec(path=f"file://{tmp_path}/in/{{date}}/", format="csv"), store, DAY)
    assert (place.store.url, place.prefix) == (f"file://{tmp_path}/in/2026-01-31", "")
    place = source_place(SourceSpec(path="s3://bucket/in/", format="csv"), store, DAY)
    assert (place.store.url, place.prefix) == ("s3://bucket/in", "")
