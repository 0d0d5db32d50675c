import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.config.yaml_positions import parse_yaml, read_yaml
from cloud_etl.config.yaml_scalars import reads_as_text
from cloud_etl.errors import ConfigError


def error_of(text):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "12:30",
        "2026-01-31",
        "0o17",
        "0x1F",
        "007",
        "1_000",
        "12345678901234567890.12",
        "1e400",
    ],
)
def test_what_yaml_1_1_would_change_stays_as_it_is_written(written):
    assert parse_yaml(f"a: {written}", "f.yaml").data == {"a": written}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
    ],
)
def test_core_scalars_get_their_type(written, value):
    read = parse_yaml(f"a: {written}", "f.yaml").data["a"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("key", ["on", "no", "1", "2026-01-31", "true"])
def test_keys_are_text_as_written(key):
    assert list(parse_yaml(f"{key}: x", "f.yaml").data) == [key]


def test_each_value_knows_its_line():
    document = parse_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f.yaml")
    assert {path: place.line for path, place in document.places.items()} == {
        (): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5, ("a", "c", 1, "d"): 5,
    }  # fmt: skip
    assert str(document.place(("a", "c", 1, "nothing", "here"))) == "f.yaml:5"


def test_a_key_that_stands_twice_is_told_with_both_lines():
    assert error_of("a: 1\nb: 2\na: 3") == "f.yaml:3: key 'a' stands here again; it stands in line 1 already"


def test_every_repeated_key_is_told():
    assert len(error_of("a: {x: 1, x: 2}\nb: {y: 1, y: 2}").splitlines()) == 2


def test_aliases_and_merges_are_copied_and_own_keys_win():
    document = parse_yaml("a: &a {p: 1, q: 2}\nb:\n  <<: *a\n  q: 3\nc: *a\n", "f.yaml")
    assert document.data["b"] == {"p": 1, "q": 3}
    assert document.data["c"] == {"p": 1, "q": 2}
    assert document.place(("b", "p")).line == 1
    assert document.place(("b", "q")).line == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("# nothing\n", "f.yaml:1: the file is empty"),
        ("\n- a\n- b\n", "f.yaml:2: the file is a list"),
        ("hello", "f.yaml:1: the file is a single text"),
        ("a:\n\tb: 1\n", "f.yaml:2: a tab indents this line"),
        ("a: 1\n---\nb: 1\n", "f.yaml:2: a second document begins here"),
        ("a: b: c", "f.yaml:1: not valid YAML: a `: ` too many"),
        ("a: @x", "f.yaml:1: not valid YAML: a text that begins with '@' must stand in quotes"),
        ("x: 1\na: *b", "f.yaml:2: not valid YAML: found undefined alias 'b'"),
        ("a: !!python/object/apply:os.system [ls]", "f.yaml:1: the tag !!python/object/apply:os.system is not known"),
        ("a: !mine x", "f.yaml:1: the tag !mine is not known"),
        ("? [a]\n: 1", "f.yaml:1: a key must be a plain text"),
        ("a: 1\n\x01", "f.yaml:2: a control character (code 1)"),
        ("a: &a [*a]", "f.yaml:1: the values are nested too deeply, or an alias holds itself"),
        ("a: &a\n  <<: *a\n", "f.yaml:1: the values are nested too deeply, or an alias holds itself"),
        ("a: " + "[" * 5_000, "f.yaml:1: the values are nested too deeply"),
        ('a: "\\UFFFFFFFF"', "f.yaml:1: not valid YAML: an escape or a directive is out of range"),
        ("<<: 5", "f.yaml:1: `<<` takes an alias of a mapping"),
    ],
)
def test_what_is_no_yaml_mapping_is_told_with_its_line(text, message):
    assert error_of(text).startswith(message)


def test_a_page_of_nested_aliases_is_refused_and_not_unfolded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 100,000 values" in error_of("\n".join(lines))


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes("a: 1\nb: é".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"^f.yaml:2: the file is not UTF-8"):
        read_yaml(path, "f.yaml")


def test_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(path, "f.yaml").data == {"a": 1}


def test_messages_do_not_repeat_the_line_they_are_about():
    assert "hunter2" not in error_of("password: 'hunter2\nb: 1")


@given(st.text(max_size=40))
def test_text_that_may_go_without_quotes_is_read_again_as_it_was(text):
    if reads_as_text(text):
        assert parse_yaml(f"a: {text}", "f.yaml").data == {"a": text}


@given(st.text(alphabet="ab:-[]{}#&*!|>'\"%@`,? \n\t0~<", max_size=60))
def test_any_text_is_read_or_refused_with_file_and_line(text):
    try:
        parse_yaml(text, "f.yaml")
    except ConfigError as exc:
        assert exc.problems
        assert all(problem.file == "f.yaml" and problem.line for problem in exc.problems)


def test_a_number_of_more_digits_than_python_reads_is_told_by_line():
    with pytest.raises(ConfigError) as raised:
        parse_yaml(f"a: 1\nb: -{'9' * 5000}\n", "x.yaml")
    assert str(raised.value) == (
        "x.yaml:2: a number of 5,000 digits, and 4,300 are the most; put it in quotes if it is a text"
    )
    assert parse_yaml(f"a: '{'9' * 5000}'", "x.yaml").data == {"a": "9" * 5000}
