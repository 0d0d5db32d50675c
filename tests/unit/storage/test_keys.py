from __future__ import annotations

import os.path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud_etl.errors import UnsafeKeyError
from cloud_etl.storage.keys import checked, key_problem

pieces = st.sampled_from(["..", ".", "", "/", "a", "b.csv", "\\", "\x00", "~", "%2e%2e", "\udcff", " ", "..."])


@given(st.one_of(st.text(), st.lists(pieces, max_size=6).map("/".join)))
@example("a/../../b")
@example("/")
def test_a_key_without_a_problem_stays_below_every_root(key):
    if key_problem(key) is None:
        assert os.path.normpath(f"/root/{key}") == f"/root/{key}"
        assert checked(key) == key
    else:
        with pytest.raises(UnsafeKeyError):
            checked(key)


@pytest.mark.parametrize("key", ["a", "a/b.csv", "..a/b..", "a b/c#1%.csv", "...", "~/x", "\\..\\x", "%2e%2e/x"])
def test_odd_but_harmless_keys_have_no_problem(key):
    assert key_problem(key) is None
