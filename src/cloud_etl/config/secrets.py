"""Resolve `${env:NAME}` and `${secret:NAME}`, and remember what must never be shown."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from cloud_etl.config.secrets_manager import fetch_from_aws
from cloud_etl.domain.environment import EnvironmentSpec
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import SecretError

MASK = "**********"
Fetch = Callable[[str], str]
"""Gives the text of a secret by its name; raises SecretError."""

# `$${` is a written `${`; anything else that begins with `${` must be one of the two forms.
_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)(?P<end>\}?)")
_ENV = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>.*))?", re.DOTALL)
_SECRET = re.compile(r"secret:(?P<name>[A-Za-z0-9/_+=.@:-]+)(#(?P<key>.+))?")

_lock = threading.Lock()
_known: frozenset[str] = frozenset()
Model = TypeVar("Model", bound=BaseModel)


class SecretText(str):
    """Text that holds a resolved secret: its repr, and that of models and dataclasses around it, is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Stars."""
        return repr(MASK)


def known_secrets() -> frozenset[str]:
    """Every secret resolved so far in this process, for redaction."""
    return _known


def remember_secret(value: str) -> None:
    """Have a value redacted from logs from now on."""
    global _known  # one set for the process: the log's redaction must see every secret
    if value:
        with _lock:
            _known |= {value}


def is_reference(text: str) -> bool:
    """Whether a text is one reference and nothing else, so that it may be shown."""
    match = _REFERENCE.fullmatch(text)
    return match is not None and reference_error(text) is None and match["body"] is not None


def reference_error(text: str) -> str | None:
    """What is wrong with the references in a text, or None; the text itself is not repeated."""
    for match in _REFERENCE.finditer(text):
        body = match["body"]
        if body is None or (match["end"] and (_ENV.fullmatch(body) or _SECRET.fullmatch(body))):
            continue
        if not match["end"]:
            return "a reference that begins with ${ lacks its }; write $${ for the two characters themselves"
        kind = body.split(":")[0]
        hint = did_you_mean(kind, ("env", "secret")) if kind.isidentifier() else ""
        return (
            f"a reference is not understood; write ${{env:NAME}}, ${{env:NAME:-default}}, ${{secret:NAME}} or "
            f"${{secret:NAME#key}}, and $${{ for the two characters themselves{hint}"
        )
    return None


def variables_needed(text: str) -> tuple[str, ...]:
    """Names of the environment variables that a text refers to without a default."""
    found = (_ENV.fullmatch(match["body"] or "") for match in _REFERENCE.finditer(text))
    return tuple(match["name"] for match in found if match and match["default"] is None)


@dataclass(slots=True)
class Resolver:
    """Resolves the references of one environment; a secret is fetched once, however often it is named."""

    environ: Mapping[str, str] = field(repr=False)
    fetch: Fetch
    _fetched: dict[str, str] = field(default_factory=dict, repr=False)

    def text(self, value: str, where: str) -> str:
        """The text with its references replaced.

        Args:
            value: may hold references, and `$${` for a written `${`.
            where: path of the setting, for messages.

        Raises:
            SecretError: an environment variable is not set, or a secret cannot be read; says which and what to do.
        """
        if "${" not in value:
            return value
        wrong = reference_error(value)
        if wrong:
            raise SecretError(f"{where}: {wrong}")
        resolved = _REFERENCE.sub(lambda match: self._one(match, where), value)
        if any(_SECRET.fullmatch(match["body"] or "") for match in _REFERENCE.finditer(value)):
            remember_secret(resolved)
            return SecretText(resolved)
        return resolved

    def model(self, model: Model, where: str) -> Model:
        """The model with the references in its texts replaced, at any depth."""
        update: dict[str, object] = {}
        for name in type(model).model_fields:
            value = getattr(model, name)
            resolved = self._value(value, f"{where}.{name}")
            if resolved is not value:
                update[name] = resolved
        return model.model_copy(update=update) if update else model

    def _value(self, value: object, where: str) -> object:
        if isinstance(value, str):
            return self.text(value, where)
        if isinstance(value, SecretStr):
            resolved = self.text(value.get_secret_value(), where)
            remember_secret(resolved)
            return SecretStr(resolved)
        if isinstance(value, BaseModel):
            return self.model(value, where)
        if isinstance(value, tuple):
            return tuple(self._value(item, where) for item in value)
        if isinstance(value, Mapping):
            return {key: self._value(item, f"{where}.{key}") for key, item in value.items()}
        return value

    def _one(self, match: re.Match[str], where: str) -> str:
        body = match["body"]
        if body is None:
            return "${"
        env = _ENV.fullmatch(body)
        return self._env(env, where) if env else self._secret(_SECRET.fullmatch(body), where)

    def _env(self, match: re.Match[str], where: str) -> str:
        name, default = match["name"], match["default"]
        value = self.environ.get(name)
        # As in a shell, `:-` also stands in for a variable that is set to nothing.
        if value or (value is not None and default is None):
            return value
        if default is not None:
            return str(default)
        raise SecretError(
            f"{where} needs the environment variable {name}, which is not set. Nothing was opened. "
            f"Set it, or give a default: ${{env:{name}:-...}}"
        )

    def _secret(self, match: re.Match[str] | None, where: str) -> str:
        if match is None:
            raise SecretError(f"{where}: a reference is not understood")
        name, key = match["name"], match["key"]
        if name not in self._fetched:
            self._fetched[name] = self.fetch(name)
        value = self._fetched[name]
        if key is not None:
            value = _json_key(value, name, key, where)
        remember_secret(value)
        return value


def resolve_environment(
    environment: EnvironmentSpec, environ: Mapping[str, str], fetch: Fetch | None = None
) -> EnvironmentSpec:
    """The environment with every reference replaced; settings that hold a secret have a masked repr.

    Args:
        environment: the chosen one, as written.
        environ: environment variables.
        fetch: reads a secret by name; AWS Secrets Manager without.

    Raises:
        SecretError: a reference cannot be resolved.
        TemporaryError: Secrets Manager has a passing fault.
    """
    return Resolver(environ, fetch or fetch_from_aws).model(environment, "environment")


def _json_key(text: str, name: str, key: str, where: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SecretError(f"{where} wants key {key!r} of secret {name}, which is no JSON object. Leave #{key} out")
    if key not in document:
        raise SecretError(f"{where} wants key {key!r} of secret {name}, which has no such key. Check the name after #")
    value = document[key]
    return value if isinstance(value, str) else json.dumps(value)
