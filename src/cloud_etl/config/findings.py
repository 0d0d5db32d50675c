"""Turn what pydantic found into problems with a place, in plain words, without the values of secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from cloud_etl.config.model_tree import at, below, given, is_text, keys, members, model_of, wanted
from cloud_etl.config.yaml_positions import Document, Place, YamlPath, walk
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import CheckSpec, Family, StepSpec
from cloud_etl.errors import Problem

# What is off is taken out; what is off then, because it is gone, once more.
_ROUNDS = 3
Model = TypeVar("Model", bound=BaseModel)
_WRONG_TYPE = ("_type", "_parsing", "_from_float", "_attributes_type", "_size", "_instance_of")


@dataclass(frozen=True, slots=True)
class Finding:
    """One error of pydantic, at the path that the person wrote."""

    path: YamlPath
    kind: str
    value: object
    context: Mapping[str, object]
    message: str


def problems_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """Every finding of a validation, once, each with the line it stands on.

    Args:
        error: what pydantic raised for `model` on the document's data.
        document: the data that was validated and its places.
        model: the model of the whole document.
    """
    # An environment inherits the errors of its base with their places: each is told once.
    problems: dict[tuple[Place, str, str], Problem] = {}
    for finding in _findings(error, document, model):
        path, rest = _known(finding.path, document.data)
        if finding.kind == "missing" or not rest:
            message = _said(finding, model)
            where = path if finding.kind == "missing" else finding.path
        else:
            # The rest of the path names members of a union: what the value could have been is said once for all.
            where, message = path, f"wants {wanted(at(model, path))}, not {given(_value(path, document.data))}"
        place = document.place(where)
        if finding.kind == "extra_forbidden":
            where = _without_value(where)
        problem = place.problem(f"{dotted(where)}: {message}" if where else message)
        problems.setdefault((place, str(where[-1:]), message), problem)
    return list(problems.values())


def without_faults(document: Document, model: type[Model]) -> Model | None:
    """What can be judged of a document with faults: the model without them, or None where too little is left.

    A faulty step becomes one of which nothing is known, a faulty check and an unknown key are left out.
    """
    data = deepcopy(document.data)
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(data)
        except ValidationError as exc:
            paths = {finding.path: finding.kind for finding in _findings(exc, Document("", data, {}), model)}
        if not all(_taken_out(path, kind, data) for path, kind in paths.items()):
            return None
    return None


def _taken_out(path: YamlPath, kind: str, data: dict[str, object]) -> bool:
    """Take what is off out of the data, where the rest can be judged without it."""
    match path:
        case ("transform", int(number), *_):
            data["transform"][number] = StepSpec()  # type: ignore[index]  # the path was found in the data
        case ("quality", "checks", int(number), *_):
            data["quality"]["checks"][number] = CheckSpec(name=f"not judged: {number}")  # type: ignore[index]
        case (*above, str(key)) if kind == "extra_forbidden":
            del _value(tuple(above), data)[key]  # type: ignore[attr-defined]  # a mapping that holds the key
        case _:
            return False
    return True


def confused(document: Document, model: type[BaseModel]) -> list[Problem]:
    """Places where true or false stands for a number, which pydantic takes for 1 and 0."""
    problems = []
    for path, value in walk(document.data, ()):
        kinds = members(at(model, path)) if isinstance(value, bool) else ()
        if kinds and bool not in kinds and (int in kinds or float in kinds):
            message = f"{dotted(path)}: wants {wanted(at(model, path))}, not {given(value)}"
            problems.append(document.place(path).problem(message))
    return problems


def _without_value(path: YamlPath) -> YamlPath:
    """The path without what follows a colon in its key: there YAML takes `key:value` for a key, value and all."""
    *above, key = path
    cut = f"{key.partition(':')[0]}:..." if isinstance(key, str) and ":" in key else key
    return (*above, cut)


def dotted(path: YamlPath) -> str:
    """A path as people write it: `transform[2].derive.amount`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _findings(error: ValidationError, document: Document, model: type[BaseModel]) -> Iterator[Finding]:
    for detail in error.errors(include_url=False):
        kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
        if not _is_echo(kind, value, context):
            path = _written(detail["loc"], model, document.data)
            yield Finding(path, kind, value, context, detail["msg"])


def _written(path: YamlPath, model: type[BaseModel], data: object) -> YamlPath:
    """A path of pydantic with the kinds of steps and checks, which stand in the file and not in the models."""
    written: YamlPath = ()
    annotation: object = model
    for key in path:
        family = model_of(annotation)
        if family is not None and issubclass(family, Family) and not family.kind and isinstance(data, Mapping):
            kind = next(iter(data))
            written, annotation, data = (*written, kind), below(annotation, kind), data[kind]
            if key == getattr(family.registry.get(kind), "wrap", None):
                continue
        written, annotation = (*written, key), None if annotation is None else below(annotation, key)
        data = data[key] if _is_inside(key, data) else None  # type: ignore[index]  # a mapping or a list
    return written


def _is_echo(kind: str, value: object, context: Mapping[str, object]) -> bool:
    """Whether a list is called too short only because its entries, which are told themselves, are off."""
    return kind == "too_short" and isinstance(value, Sized) and len(value) >= int(str(context["min_length"]))


def _known(path: YamlPath, data: object) -> tuple[YamlPath, YamlPath]:
    """Split a path into the part that is there in the data and the rest."""
    for number, key in enumerate(path):
        if not _is_inside(key, data):
            return path[:number], path[number:]
        data = data[key]  # type: ignore[index]  # a mapping or a list, and the key is in it
    return path, ()


def _is_inside(key: str | int, data: object) -> bool:
    return key in data if isinstance(data, Mapping) else isinstance(data, list) and key in range(len(data))


def _value(path: YamlPath, data: object) -> object:
    for key in path:
        data = data[key]  # type: ignore[index]  # the path was found in the data
    return data


def _said(finding: Finding, model: type[BaseModel]) -> str:
    """What is wrong, in plain words."""
    annotation = at(model, finding.path)
    if finding.kind == "missing":
        return f"key {str(finding.path[-1])!r} is missing{_description(model, finding.path)}"
    if finding.kind == "extra_forbidden":
        owner = model_of(at(model, finding.path[:-1]))
        if ":" in str(finding.path[-1]):
            return "this key is not known; put a blank between colon and value"
        return f"this key is not known{did_you_mean(str(finding.path[-1]), keys(owner) if owner else ())}"
    if isinstance(finding.value, str) and "${" in finding.value and not is_text(annotation):
        return "references such as ${env:NAME} stand in values of type text only; set an override variable instead"
    if finding.kind == "string_pattern_mismatch" and (example := _example(model, finding.path)):
        return f"{finding.value!r} has the wrong form; {example}"
    return _said_of_value(finding, annotation)


def _example(model: type[BaseModel], path: YamlPath) -> str:
    """How a text of that form looks, for those who do not read patterns."""
    info = _field(model, path)
    return f"write it like {' or '.join(map(str, info.examples))}" if info and info.examples else ""


def _said_of_value(finding: Finding, annotation: object) -> str:
    if finding.kind == "literal_error":
        return _choice(finding, annotation)
    if finding.kind in _CONSTRAINTS:
        return _CONSTRAINTS[finding.kind](finding.context)
    if "error" in finding.context:
        return str(finding.context["error"])
    if finding.kind.endswith(_WRONG_TYPE) and annotation is not None:
        quoted = "; put it in quotes" if is_text(annotation) and isinstance(finding.value, int | float) else ""
        return f"wants {wanted(annotation)}, not {given(finding.value)}{quoted}"
    return finding.message[:1].lower() + finding.message[1:]


def _description(model: type[BaseModel], path: YamlPath) -> str:
    info = _field(model, path)
    return f" ({info.description.rstrip('.')})" if info is not None and info.description else ""


def _field(model: type[BaseModel], path: YamlPath) -> FieldInfo | None:
    owner = model_of(at(model, path[:-1])) if path else None
    if owner is None:
        return None
    if issubclass(owner, Family) and (member := owner.registry.get(str(path[-1]))) and member.wrap:
        return member.model_fields[member.wrap]
    return next((info for name, info in owner.model_fields.items() if path[-1] in (name, info.alias)), None)


def _choice(finding: Finding, annotation: object) -> str:
    choices = [str(value) for kind in members(annotation) if get_origin(kind) is Literal for value in get_args(kind)]
    if not isinstance(finding.value, str) or SecretStr in members(annotation):
        return f"wants one of {', '.join(choices)}, not {given(finding.value)}"
    hint = did_you_mean(finding.value, choices)
    listed = f"{finding.value!r} is none of {', '.join(choices)}"
    return listed + (hint if hint.startswith("; did") else "")


def _counted(number: object, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


_CONSTRAINTS: Mapping[str, Callable[[Mapping[str, object]], str]] = {
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "greater_than": lambda context: f"must be more than {context['gt']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "less_than": lambda context: f"must be less than {context['lt']}",
    "string_too_short": lambda context: f"must have at least {_counted(context['min_length'], 'character')}",
    "string_too_long": lambda context: f"must have at most {_counted(context['max_length'], 'character')}",
    "too_short": lambda context: f"must hold at least {_counted(context['min_length'], 'entry', 'entries')}",
    "too_long": lambda context: f"must hold at most {_counted(context['max_length'], 'entry', 'entries')}",
    "string_pattern_mismatch": lambda context: f"does not match the pattern {context['pattern']}",
    "finite_number": lambda _: "must be a finite number",
}
