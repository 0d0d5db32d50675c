"""Globs: what they stand for, and that no number of stars makes them slow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_etl.domain.glob import Glob

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
        ("[z-a].csv", [], ["z.csv", "a.csv", "-.csv"]),
        ("[!].csv", ["[!].csv"], ["x.csv"]),
        ("***", ["a/b"], []),
        ("{a,b}.csv", ["{a,b}.csv"], ["a.csv"]),
        ("**/a/**/b", ["a/b", "x/a/y/z/b"], ["a/xb", "b"]),
        ("line?.csv", ["line\n.csv"], []),
    ],
)
def test_a_glob_fits_whole_paths(glob, fits, misses):
    wanted = Glob(glob)
    assert [name for name in fits if not wanted.fits(name)] == []
    assert [name for name in misses if wanted.fits(name)] == []


@given(st.lists(names, min_size=1, max_size=4))
def test_a_path_without_glob_characters_fits_itself_only(parts):
    path = "/".join(parts)
    literal = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
    assert Glob(literal).fits(path)
    assert not Glob(literal).fits(path + "x")
    assert Glob("**/" + "*").fits(path)
    assert bool(Glob("*").fits(path)) == (len(parts) == 1)


_PIECES = {
    "*": "[^/]*",
    "**": ".*",
    "**/": "(?:[^/]+/)*",
    "?": "[^/]",
    "[ab]": "[ab]",
    "[!a]": "[^/a]",
    "a": "a",
    "/": "/",
}


@given(st.lists(st.sampled_from(["*", "**/", "?", "[ab]", "[!a]", "a", "b/"]), max_size=6), st.text("ab/", max_size=8))
@settings(max_examples=150)
def test_a_glob_stands_for_what_its_pattern_says(pieces: list[str], path: str) -> None:
    text = "".join(pieces)
    pattern = re.sub(r"\*\*/|\*\*+|\*|\?|\[!?\w+\]", lambda found: _PIECES.get(found[0], ".*"), text)
    assert Glob(text).fits(path) == bool(re.fullmatch(pattern, path, re.DOTALL))


@pytest.mark.parametrize("piece", ["*a", "**/", "**/*", "*", "**a", "a**", "[!b]*", "?*", "*/"])
def test_hundreds_of_stars_take_no_longer_than_one(piece: str) -> None:
    started = time.process_time()
    for path in ("a" * 255 + "b", "a/" * 128 + "b"):
        Glob((piece * 512)[:512] + "c").fits(path)
    assert time.process_time() - started < 2
