from __future__ import annotations

import re

import pytest

from cloud_etl.quality.regex.portable import portable


@pytest.mark.parametrize(
    ("pattern", "rewritten"),
    [
        ("abc", r"\A(?:abc)\z"),
        ("^abc$", r"\A(?:\Aabc\z)\z"),
        ("a|b", r"\A(?:a|b)\z"),
        (r"\d{2,}", r"\A(?:[0-9]{2,})\z"),
        (r"[\d.]+?", r"\A(?:[0-9\.]+?)\z"),
        (r"[^\s-]", r"\A(?:[^ \t\n\r\x0B\f\-])\z"),
        ("[]a]", r"\A(?:[\]a])\z"),
        ("(?i)a.c", r"\A(?iu)(?:a[^\n]c)\z"),
        ("(a)(?:b)", r"\A(?:(?:a)(?:b))\z"),
        ("[a-z0-9_]", r"\A(?:[a-z0-9_])\z"),
    ],
)
def test_a_pattern_is_rewritten_into_what_all_engines_read_alike(pattern, rewritten):
    assert portable(pattern) == rewritten


@pytest.mark.parametrize(
    "pattern",
    ["a(?=b)", "a(?!b)", "(?<=a)b", "(?P<n>a)", r"(a)\1", r"\bword\b", r"\B", "a++", "a*+", "a{2}+", "(?s).", "(?>a)",
     r"[\D]", r"[\S]", "[[a]", "[a&&b]", "[a--b]"],
)  # fmt: skip
def test_what_engines_read_differently_is_refused(pattern):
    with pytest.raises(ValueError, match=re.escape(f"the regex {pattern!r}").replace(re.escape(pattern), ".*")):
        portable(pattern)


def test_a_line_feed_after_the_match_is_no_match():
    assert not re.search(portable("a$").replace(r"\z", r"\Z"), "a\n")
    assert re.search(portable("a$").replace(r"\z", r"\Z"), "a")


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(" * 5000 + ")" * 5000, "a{99999999999999999999}", "(?:a{60000}){60000}"]
)
def test_a_pattern_that_takes_without_bound_is_refused_in_a_short_message(pattern):
    with pytest.raises(ValueError, match="the regex") as raised:
        portable(pattern)
    assert len(str(raised.value)) < 400
