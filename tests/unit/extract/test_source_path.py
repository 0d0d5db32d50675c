from __future__ import annotations

from datetime import date

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.spec import SourceSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.source_path import fill, filled_glob, source_place
from cloud_etl.storage.folder_store import FolderStore

DAY = date(2026, 1, 31)


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


@pytest.mark.parametrize("text", ["{date:%9999999999Y}", "{date:%_10d}", "{date:%Q}", "{date:%}", "{date:%c}"])
def test_a_format_that_is_none_of_a_date_is_refused(text):
    with pytest.raises(SourceError, match="is no format of a date"):
        fill(text, DAY)


def test_a_glob_that_is_longer_than_any_path_is_refused():
    with pytest.raises(SourceError, match=r"source\.pattern: the glob has 1,025 characters"):
        filled_glob("*" * 1025, DAY)


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
