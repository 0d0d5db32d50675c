from __future__ import annotations

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.publish.layout import escaped, partition_folder
from cloud_etl.storage.keys import key_problem

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(VALUES)
def test_a_partition_value_is_one_safe_part_of_a_key_and_can_be_read_back(value):
    folder = partition_folder({"region": value}, ("region",))
    assert "/" not in folder
    assert key_problem(folder) is None
    assert unquote(folder.partition("=")[2]) == value


@given(VALUES, VALUES)
def test_two_values_never_share_a_folder(left, right):
    assert (escaped(left) == escaped(right)) is (left == right)
