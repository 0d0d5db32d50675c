from __future__ import annotations

import itertools

import pytest

from cloud_etl import backends
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import UsageError
from cloud_etl.pipeline.selection import select

backends.register_families()

# a <- b <- d, a <- c, e alone.
READS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b",), "e": ()}
TAGS = {"a": ("daily",), "b": ("daily", "sales"), "c": (), "d": ("sales",), "e": ("monthly",)}


def _pipeline(name: str) -> PipelineSpec:
    checks = [{"references": {"column": "k", "to": other, "key": "k"}} for other in READS[name]]
    return PipelineSpec.model_validate(
        {
            "pipeline": name,
            "tags": TAGS[name],
            "source": {"path": "raw", "format": "csv"},
            "schema": {"k": {"type": "integer"}},
            "quality": {"checks": checks},
            "outputs": [{"name": f"{name}_out"}],
        }
    )


PROJECT = {name: _pipeline(name) for name in READS}
ABOVE = {"a": "a", "b": "ab", "c": "ac", "d": "abd", "e": "e"}
BELOW = {name: "".join(other for other in READS if name in ABOVE[other]) for name in READS}
TAGGED = {tag: "".join(name for name in TAGS if tag in TAGS[name]) for tag in ("daily", "sales", "monthly")}
PLAIN = {**{name: name for name in READS}, **{f"tag:{tag}": names for tag, names in TAGGED.items()}}
# Each word that the syntax has here, and what it means.
WORDS = {
    f"{before}{word}{behind}": {
        other for name in names for other in (name, *(ABOVE[name] if before else ""), *(BELOW[name] if behind else ""))
    }
    for word, names in PLAIN.items()
    for before, behind in itertools.product(("", "+"), repeat=2)
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_means_names_or_tags_and_what_is_above_and_below(word: str) -> None:
    assert set(select([word], (), PROJECT)) == WORDS[word]


def test_several_words_are_a_union_and_others_are_left_out() -> None:
    for one, two in itertools.product(WORDS, repeat=2):
        assert set(select([one, two], (), PROJECT)) == WORDS[one] | WORDS[two]
        if left := WORDS[one] - WORDS[two]:
            assert set(select([one], [two], PROJECT)) == left
        else:
            with pytest.raises(UsageError, match="excluded"):
                select([one], [two], PROJECT)


def test_each_comes_after_those_it_reads() -> None:
    assert select(["d", "b", "a", "e"], (), PROJECT) in itertools.permutations("abde")
    order = select(["+d", "c"], (), PROJECT)
    assert all(order.index(read) < order.index(name) for name in order for read in READS[name])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tag:dayly", "no pipeline has the tag 'dayly'; did you mean 'daily'"),
        ("daily", "no pipeline is named 'daily'; the tag is written tag:daily"),
        ("+f", "no pipeline is named 'f'; known: a, b, c, d, e"),
        ("tag:", "no pipeline is named 'tag:'"),
        ("a+b", "selects nothing"),
        ("++a", "selects nothing"),
        ("", "selects nothing"),
    ],
)
def test_a_word_that_means_nothing_is_told_with_near_names(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("+", r"\+")):
        select([word], (), PROJECT)


def test_where_nothing_has_tags_the_message_says_so() -> None:
    with pytest.raises(UsageError, match="none has tags"):
        select(["tag:x"], (), {"c": PROJECT["c"]})
