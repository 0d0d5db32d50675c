"""Read YAML into plain data and an index that tells on which line each value stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from cloud_etl.config.yaml_scalars import scalar
from cloud_etl.errors import ConfigError, Problem

YamlPath = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a value."""

# Aliases are copied out; a page of nested aliases would fill the memory without a limit.
# What Python turns into an integer.
_MOST_DIGITS = 4300
MAX_VALUES = 100_000
_TAG = "tag:yaml.org,2002:"
_PLAIN = "plain"
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, or an environment variable (line is None then)."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        """`file:line`."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def problem(self, message: str) -> Problem:
        """A finding at this place."""
        return Problem(message, self.file, self.line)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML mapping as plain data (dict, list, str, int, float, bool, None), and where each value stands."""

    file: str
    data: dict[str, object]
    places: Mapping[YamlPath, Place]

    def place(self, path: YamlPath) -> Place:
        """Where the value stands, or the nearest value above it."""
        return place_of(path, self.places) or Place(self.file, 1)


def place_of(path: YamlPath, places: Mapping[YamlPath, Place]) -> Place | None:
    """The place of the deepest part of a path that is known."""
    for end in range(len(path), -1, -1):
        found = places.get(path[:end])
        if found is not None:
            return found
    return None


def walk(value: object, path: YamlPath) -> Iterator[tuple[YamlPath, object]]:
    """A value and every value below it, with their paths."""
    yield path, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from walk(item, (*path, key))


def read_yaml(path: Path, shown_as: str) -> Document:
    """Read one YAML file that must be a mapping.

    Args:
        path: the file.
        shown_as: how messages name it.

    Raises:
        ConfigError: it cannot be read, is no YAML, holds a key twice, or is not a mapping; all with file and line.
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise ConfigError([Problem(f"the file cannot be read: {exc.strerror}", shown_as, 1)]) from exc
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise ConfigError([Problem("the file is not UTF-8; save it as UTF-8", shown_as, line)]) from None
    return parse_yaml(text, shown_as)


def parse_yaml(text: str, shown_as: str) -> Document:
    """Read a YAML mapping from text; see `read_yaml`."""
    node = _compose(text, shown_as)
    if node is None or (isinstance(node, yaml.ScalarNode) and node.style is None and not node.value):
        raise ConfigError([Problem("the file is empty", shown_as, 1)])
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single text"
        line = node.start_mark.line + 1
        raise ConfigError([Problem(f"the file is {kind}; it must be keys with values, `key: value`", shown_as, line)])
    reader = _Reader(shown_as)
    try:
        data = reader.mapping(node, ())
    except RecursionError:
        message = "the values are nested too deeply, or an alias holds itself"
        raise ConfigError([Problem(message, shown_as, 1)]) from None
    if reader.problems:
        raise ConfigError(list(dict.fromkeys(reader.problems)))
    return Document(shown_as, data, {(): Place(shown_as, 1), **reader.places})


def parse_value(text: str, shown_as: str) -> object:
    """Read one YAML value of any kind from text; for lists and mappings in environment variables."""
    node = _compose(text, shown_as)
    reader = _Reader(shown_as)
    value = None if node is None else reader.value(node, ())
    if reader.problems:
        raise ConfigError(reader.problems)
    return value


def _compose(text: str, shown_as: str) -> yaml.Node | None:
    """The node tree. The pure Python parser is used: the C one overflows the stack on deep nesting."""
    try:
        return yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError([Problem(_syntax(exc, text), shown_as, line)]) from None
    except yaml.reader.ReaderError as exc:
        line = text[: exc.position].count("\n") + 1
        message = f"a control character (code {ord(text[exc.position])}) stands in the file; remove it"
        raise ConfigError([Problem(message, shown_as, line)]) from None
    except RecursionError:
        raise ConfigError([Problem("the values are nested too deeply", shown_as, 1)]) from None
    except (ValueError, OverflowError):
        # PyYAML lets some through: escapes beyond Unicode ("\UFFFFFFFF"), directives with huge numbers.
        raise ConfigError([Problem("not valid YAML: an escape or a directive is out of range", shown_as, 1)]) from None


def _syntax(exc: yaml.MarkedYAMLError, text: str) -> str:
    """A syntax error in plain words, without the text of the line (it may hold a secret)."""
    problem = exc.problem or exc.context or "it cannot be read"
    if exc.problem_mark is not None:
        lines = text.splitlines()
        line = lines[exc.problem_mark.line] if exc.problem_mark.line < len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return "a tab indents this line; YAML takes blanks only"
    if "cannot start any token" in problem:
        character = problem.removeprefix("found character ").split(" that ")[0]
        return f"not valid YAML: a text that begins with {character} must stand in quotes"
    if problem.startswith("mapping values are not allowed"):
        return "not valid YAML: a `: ` too many or a wrong indentation; put texts with `: ` in quotes"
    if "expected a single document" in (exc.context or ""):
        return "a second document begins here (`---`); one file holds one document"
    context = f", {exc.context} of line {exc.context_mark.line + 1}" if exc.context and exc.context_mark else ""
    return f"not valid YAML: {problem}{context}"


class _Loader(yaml.SafeLoader):
    """Leaves unquoted scalars unresolved; PyYAML's own resolver is YAML 1.1 (`no` is false, `12:30` is 750)."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        """Mark unquoted scalars; the rest as PyYAML does."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # its stubs lack types
        return tag


@dataclass(slots=True)
class _Reader:
    """Turns nodes into data, keeping the places and every finding."""

    file: str
    places: dict[YamlPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def mapping(self, node: yaml.MappingNode, path: YamlPath) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, (line, value) in self._pairs(node).items():
            here = (*path, key)
            self.places[here] = Place(self.file, line)
            data[key] = self.value(value, here)
        return data

    def value(self, node: yaml.Node, path: YamlPath) -> object:
        self._count(node)
        return self._scalar(node) if isinstance(node, yaml.ScalarNode) else self._collection(node, path)

    def _collection(self, node: yaml.Node, path: YamlPath) -> object:
        kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != _TAG + kind:
            self._report(self._line(node), f"the tag {_shown(node.tag)} is not known here; leave it out")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        items: list[object] = []
        for number, item in enumerate(node.value):
            here = (*path, number)
            self.places[here] = Place(self.file, self._line(item))
            items.append(self.value(item, here))
        return items

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if node.tag == _PLAIN:
            if len(node.value) > _MOST_DIGITS and node.value.lstrip("+-").isdecimal():
                size = f"a number of {len(node.value.lstrip('+-')):,} digits, and {_MOST_DIGITS:,} are the most"
                self._report(self._line(node), f"{size}; put it in quotes if it is a text")
            return scalar(node.value)
        if node.tag != _TAG + "str":
            self._report(self._line(node), f"the tag {_shown(node.tag)} is not known here; leave it out")
        return node.value

    def _pairs(self, node: yaml.MappingNode) -> dict[str, tuple[int, yaml.Node]]:
        """The keys of a mapping with line and value; those merged by `<<` come after, and never win."""
        pairs: dict[str, tuple[int, yaml.Node]] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            line = self._line(key)
            if not isinstance(key, yaml.ScalarNode) or (key.style is None and not key.value):
                self._report(line, "a key must be a plain text before the `:`")
            elif key.style is None and key.value == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in pairs:
                self._report(
                    line, f"key {key.value!r} stands here again; it stands in line {pairs[key.value][0]} already"
                )
            else:
                pairs[key.value] = (line, value)
        for source in merged:
            self._count(source)
            if isinstance(source, yaml.MappingNode):
                pairs = self._pairs(source) | pairs
            else:
                self._report(self._line(source), "`<<` takes an alias of a mapping, or a list of them")
        return pairs

    def _count(self, node: yaml.Node) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            message = f"the file holds more than {MAX_VALUES:,} values when its aliases are copied out"
            raise ConfigError([Problem(message, self.file, self._line(node))])

    def _line(self, node: yaml.Node) -> int:
        return int(node.start_mark.line) + 1

    def _report(self, line: int, message: str) -> None:
        self.problems.append(Problem(message, self.file, line))


def _shown(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
