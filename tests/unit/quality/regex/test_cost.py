"""A pattern that is let through is matched in bounded time by a matcher that tries one way after another."""

from __future__ import annotations

import re
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cloud_etl.engines.sql.patterns import literal_patterns
from cloud_etl.quality.regex.cost import java_regex_problem, regex_problem

_TWICE, _MANY, _LARGE = "a repeat in a repeat", "too many repeats in a row", "is too large"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        *((one, _TWICE) for one in (
            "(a+)+", "(a+)+b", "(a|a)*", "(a|aa)+", "(ab|ab)*", "(.*)*", "(x+x+)+y", "(a?b?)*c", "([a-z]{2,3})+",
            r"(\w+\s?)*", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a*)*b", "((a{1,9}){1,9}){1,9}", "(.|\\s)*x", "(a|b|ab)*c",
            "(?i)(a|A)*b", "([^x]|y)*z", r"(\d+)*$", "(a*){1,5}b", r"(\[|[^a])*x[]|]*", "((((a)*)*)*)*b",
        )),
        *((one, _MANY) for one in (
            ".*.*.*.*.*=", r"\s*" * 6 + "x", "a*" * 9 + "b", "(a{1,2}){30}", "(a?){50}a{50}", "(a|aa){40}", "(a|a){30}",
            "a?" * 30 + "a" * 30, "(a|a)" * 30, "(a|ab)(b|)" * 40, "(|a)" * 30, "a{1,9}" * 20, r"(a*)\1\1\1\1\1b",
        )),
        *((one, _LARGE) for one in (
            "a{99999}", "(a{100}){100}", "a?" * 900, ".{0,65535}", "(((a|b|c|d){9}){9}){99}",
        )),
        ("(" * 300 + "a" + ")" * 300, "is nested too deeply"),
        ("x" * 2001, "has 2,001 characters"),
    ],
)  # fmt: skip
def test_a_pattern_that_explodes_is_told(pattern: str, said: str) -> None:
    started = time.process_time()
    assert said in (regex_problem(pattern) or "")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "pattern",
    [
        "", r"\d{4}-\d{2}-\d{2}", r"[\w.+-]+@[\w-]+\.[\w.-]+", r"[^@\s]+@[^@\s]+\.[^@\s]+", r".*foo.*", r".{1,255}",
        r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", r"(\d{1,3}\.){3}\d{1,3}", r"\+?[0-9 ()-]{6,20}", r"[A-Z][a-z]+( [A-Z][a-z]+)*",
        r"([A-Z]{2}){3}", r"https?://[^/\s]+(/[^/\s]*)*", r"-?\d+(\.\d+)?([eE][+-]?\d+)?", r".{500}", r"\s*\w+\s*",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[^,]*,[^,]*,[^,]*", r"(\w+ )*\w+",
        r"([\w-]+\.)+[a-z]{2,}",
        r"[A-Z]{1,3}[A-Z0-9]{1,5}[0-9]{1,3}", r"(?:\d{3}-?){2}\d{4}", r"\$?\d{1,3}(,\d{3})*(\.\d\d)?", "(a|b|c)+",
        r"((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)", r"[\D]+", r"[\S]+",
        r"(\(\d{3}\) ?|\d{3}-)?\d{3}-\d{4}",
        "M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", "|".join(["alpha", "beta", "gamma", "delta"] * 20),
        r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})?", "[|]*a|[]|]b",
        r"(Mr|Mrs|Ms|Miss)\.? [A-Z][a-z]+", ".*foo.*bar.*", r"^\s*(.*?)\s*$", ".*, .*, .*, .*",
    ],
)  # fmt: skip
def test_patterns_that_people_write_are_let_through(pattern: str) -> None:
    assert regex_problem(pattern) is None


_PATTERNS = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^b]", r"\w", "c"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,9}", "{20}", "{3,}", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=8,
)


@given(_PATTERNS, st.sampled_from(["a", "ab", "aab", "b", "c", "abc"]))
@settings(max_examples=80, deadline=None)
def test_what_is_let_through_ends_soon_in_a_matcher_that_goes_back(pattern: str, piece: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assume(regex_problem(pattern) is None)
        matcher = re.compile(pattern)
    # Exponents of 60 would take years; two powers of it take a moment.
    with _at_most(3):
        matcher.fullmatch(piece * 60 + "!")
        matcher.fullmatch("b" + piece * 60 + "\n")


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("a rlike '(a+)+'", ["(a+)+"]), ("a rlike r'(a+)+'", ["(a+)+"]),
        ("regexp_replace(a, '(a|a)*', '(b+)+')", ["(a|a)*"]),
        ("split(lower(a), 'x')[0]", ["x"]), ("str_to_map(a, 'b', 'c')", ["b", "c"]), ("a like '%x%'", []),
        ("a = '(a+)+'", []), ("a rlike b", []),
        ("not (a regexp 'x' or b ilike 'y')", ["x"]),
    ],
)  # fmt: skip
def test_the_patterns_of_an_expression_are_found(text: str, patterns: list[str]) -> None:
    assert sorted(literal_patterns(text, query=False)) == sorted(patterns)


def test_patterns_of_a_query_are_found() -> None:
    assert list(literal_patterns("select * from input where a rlike '(a+)+'", query=True)) == ["(a+)+"]


def test_what_only_java_reads_is_judged_where_python_has_words_for_it() -> None:
    assert _TWICE in (java_regex_problem(r"(\p{L}+)+x") or "")
    assert _TWICE in (java_regex_problem(r"(?<name>a+)+\z") or "")
    assert java_regex_problem(r"\p{Lu}\p{javaMirrored}+") is None
    assert java_regex_problem(r"[a-z&&[^b]\Q(\E") is None
