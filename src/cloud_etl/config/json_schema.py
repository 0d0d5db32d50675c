"""JSON Schemas for editors: completion and red lines while a project or pipeline file is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cloud_etl import backends
from cloud_etl.config.model_tree import EXTENDS
from cloud_etl.domain.environment import EnvironmentSpec, ProjectSpec
from cloud_etl.domain.spec import Family, PipelineSpec

SchemaName = Literal["project", "pipeline"]
FILES: Mapping[SchemaName, str] = {"project": "project.schema.json", "pipeline": "pipeline.schema.json"}
_NOISE = {"format", "ge", "writeOnly"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _EditorSchema(GenerateJsonSchema):
    """Knows what pydantic cannot: steps and checks stand under their kind, environments may extend another."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The schema of a model; families become a choice of `kind: body`."""
        model = schema["cls"]
        if issubclass(model, Family) and not model.kind:
            return self._choice(model)
        made = super().model_schema(schema)
        made.pop("title", None)
        if issubclass(model, EnvironmentSpec):
            made["properties"][EXTENDS] = {
                "type": "string",
                "description": "Environment whose settings this one changes.",
            }
            made["anyOf"] = [{"required": [EXTENDS]}, {"required": made.pop("required")}]
        return made

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Where code reads a number or a list first, text such as `50%` or a single name is written as well."""
        made = super().function_before_schema(schema)
        read = made.get("type") in ("number", "integer", "array") and "json_schema_input_schema" not in schema
        return {"anyOf": [made, {"type": "string"}]} if read else made

    def field_title_should_be_set(self, schema: object) -> bool:
        """No titles: they repeat the keys."""
        return False

    def _choice(self, family: type[Family]) -> JsonSchemaValue:
        bodies = {kind: self._body(model) for kind, model in sorted(family.registry.items())}
        return {
            "type": "object",
            "description": first_line(family),
            "properties": bodies,
            "additionalProperties": False,
            "oneOf": [{"required": [kind]} for kind in bodies],
        }

    def _body(self, model: type[Family]) -> JsonSchemaValue:
        written: Any = model.model_fields[model.wrap].rebuild_annotation() if model.wrap else model
        body = self.generate_inner(TypeAdapter(written).core_schema)
        return {**body, "description": first_line(model)}


def first_line(model: type[BaseModel]) -> str:
    """The first line of a model's docstring."""
    return (model.__doc__ or "").strip().split("\n")[0]


def editor_schema(name: SchemaName) -> JsonSchemaValue:
    """The JSON Schema (draft 2020-12) of cloud-etl.yaml or of a pipeline file, with all steps and checks there are."""
    backends.register_families()
    model: type[BaseModel] = ProjectSpec if name == "project" else PipelineSpec
    schema = _tidied(model.model_json_schema(schema_generator=_EditorSchema))
    if name == "project":
        # What an environment leaves out may come from its base or from an environment variable.
        for part, definition in schema["$defs"].items():
            if part != EnvironmentSpec.__name__:
                definition.pop("required", None)
    return {"$schema": _DIALECT, "title": FILES[name].removesuffix(".schema.json"), **schema}


def _tidied(schema: Any) -> Any:
    """Without the formats pydantic names for types that are written in words of our own (`12 hours`)."""
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if key not in _NOISE or isinstance(value, dict)}
        return {key: _tidied(value) for key, value in kept.items()}
    return [_tidied(item) for item in schema] if isinstance(schema, list) else schema


def schema_text(name: SchemaName) -> str:
    """The schema as it is written into a file."""
    return json.dumps(editor_schema(name), indent=2) + "\n"
