from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.quality.regex.portable import portable

pytestmark = pytest.mark.integration

TEXTS = [
    "", "a", "A", "ab", "a\n", "a1", "1", "\u0661", "é", "a b", "a\u00a0b", "a\tb", "a\r", "a\u2028b", "a.b", "a-b",
    "_", "a]", "a^", "[a]", "a&&b", "a\\", "aaa", "ß", "K", "k", "\u212a", "{2}", "a{2}", "#", "~", "a/b", "'", '"',
    "\x0b",
]  # fmt: skip
ATOMS = ["a", "b", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\.", r"\-", r"\]", r"\\", r"\n", r"\x61",
         r"\u0061", "[ab]", "[^ab]", r"[\d_]", r"[a\]]", r"[a\&&b]", "[^-a]", "[a-]", "[#~^]", r"[\[]", "#", "~", "&",
         "-", " ", "é", "/", "(a|b)", "(?:a|1)", "^", "$", "]", "}", r"\{"]  # fmt: skip
QUANTIFIERS = ["", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"]
patterns = st.lists(st.tuples(st.sampled_from(ATOMS), st.sampled_from(QUANTIFIERS)), min_size=1, max_size=4).map(
    lambda parts: "".join(atom + ("" if atom in "^$" else quantifier) for atom, quantifier in parts)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=st.tuples(st.sampled_from(["", "", "(?i)"]), patterns, patterns, st.booleans()))
def test_the_engine_matches_as_python_does_with_ascii_classes(texts, pattern):
    flag, left, right, either = pattern
    regex = flag + (f"{left}|{right}" if either else left)
    # Python's (?i) is ASCII only under re.ASCII, the engines' is not: what differs are letters that fold into ASCII.
    asked = [text for text in TEXTS if not flag or text.isascii()]
    found = texts(portable(regex))
    for text in asked:
        assert found[text] is bool(re.fullmatch(regex.replace("$", r"\Z"), text, re.ASCII)), (regex, text)


@pytest.fixture
def texts(session, tmp_path_factory):
    import duckdb
    from pyspark.sql import functions as F

    path = tmp_path_factory.mktemp("texts") / "texts.parquet"
    connection = duckdb.connect()
    connection.execute("CREATE TABLE texts AS SELECT unnest($1::VARCHAR[]) AS text", [TEXTS])
    connection.execute(f"COPY texts TO '{path}' (FORMAT parquet)")
    frame = session.read.parquet(str(path))

    def match(pattern: str) -> dict[str, bool]:
        return {row[0]: row[1] for row in frame.select("text", F.col("text").rlike(pattern)).collect()}

    return match
