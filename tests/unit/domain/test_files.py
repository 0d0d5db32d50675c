from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.files import FileRef, LoadedFiles, batch_id

IN_FOLDER = FileRef("file:///home/ada/shop/raw/a.csv", "raw/a.csv", 10, "e1", None, datetime(2024, 1, 1, tzinfo=UTC))
IN_BUCKET = replace(IN_FOLDER, uri="s3://shop/raw/a.csv", version="v1")


def test_the_time_of_a_file_is_no_part_of_its_identity() -> None:
    assert replace(IN_FOLDER, modified_at=datetime(2025, 1, 1, tzinfo=UTC)).identity == IN_FOLDER.identity


def test_new_content_under_an_old_name_is_another_file() -> None:
    assert replace(IN_FOLDER, etag="e2").identity != IN_FOLDER.identity
    assert replace(IN_FOLDER, size_bytes=11).identity != IN_FOLDER.identity


def test_a_folder_store_can_be_moved_and_a_bucket_cannot() -> None:
    assert replace(IN_FOLDER, uri="file:///mnt/shop/raw/a.csv").identity == IN_FOLDER.identity
    assert replace(IN_BUCKET, uri="s3://other/raw/a.csv").identity != IN_BUCKET.identity


@given(st.permutations([replace(IN_FOLDER, key=f"raw/{number}.csv") for number in range(5)]))
def test_a_batch_id_ignores_the_order_of_the_files(files: list[FileRef]) -> None:
    assert batch_id(files) == batch_id(sorted(files, key=lambda file: file.key))


@given(st.lists(st.sampled_from("abc"), max_size=6), st.sampled_from("abc"), st.randoms())
def test_a_file_is_held_when_its_content_is_the_last_that_was_loaded(
    contents: list[str], now: str, random: Random
) -> None:
    identities: list[str] = []
    for content in contents:
        identities.append(LoadedFiles.of(identities).next(replace(IN_FOLDER, etag=content)).identity)
    random.shuffle(identities)
    loaded = LoadedFiles.of(identities)
    assert loaded.holds(replace(IN_FOLDER, etag=now)) == (contents[-1:] == [now])
    assert loaded.next(IN_FOLDER).generation == len(contents)
    assert LoadedFiles.of(loaded.identities) == loaded
    assert len({batch_id([replace(IN_FOLDER, etag=now, generation=number)]) for number in range(3)}) == 3


def test_a_file_of_a_dated_folder_is_known_by_the_folder_too() -> None:
    first, second = (replace(IN_FOLDER, key="a.csv", folder=f"2024-01-0{day}/") for day in (1, 2))
    assert LoadedFiles.of([first.identity]).holds(first)
    assert not LoadedFiles.of([first.identity]).holds(second)
