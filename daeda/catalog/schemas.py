"""JSON schemas of the YAML files, for editors: which keys there are, what they mean, and which words a choice has.

A schema allows everything that daeda reads. What only daeda's own reader can judge, such as a duration or a type, is
any text to it: `daeda explain` tells such mistakes.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from daeda.catalog.service import FeatureService
from daeda.catalog.view import FeatureView
from daeda.settings.aggregations import Aggregations
from daeda.settings.runtime import RuntimeSettings

Kind = Literal["runtime", "aggregations", "view", "service"]
MODELS: dict[Kind, type[BaseModel]] = {
    "runtime": RuntimeSettings,
    "aggregations": Aggregations,
    "view": FeatureView,
    "service": FeatureService,
}
_TEXT = {"type": "string"}
# How a value is written that daeda reads by a function of its own; others are any value.
_WRITTEN: dict[str, JsonSchemaValue] = {
    "parse_name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "parse_path": _TEXT,
    "parse_import_path": _TEXT,
    "_parse_dtype": _TEXT,
    "_parse_read_dtype": _TEXT,
    "parse_zone": _TEXT,
    "_one_or_more": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    "_no_boolean": {"type": "integer"},
    "_switch": {"type": "boolean"},
    "_parse_version": {"anyOf": [{"type": "integer"}, _TEXT]},
}
# Validators that look at the keys of a model before it has them.
_OF_MODELS = frozenset({"_has_what_a_label_may_have"})


class _AsRead(GenerateJsonSchema):
    """What is written, and not what a validator makes of it."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """The value before the function has read it; of a model, its keys."""
        name = getattr(schema["function"]["function"], "__name__", "")
        if name in _WRITTEN:
            return dict(_WRITTEN[name])
        if name == "_output_column":
            return {"anyOf": [_TEXT, self.generate_inner(schema["schema"])]}
        # What checks a whole model beforehand is a method of it, and changes nothing.
        return self.generate_inner(schema["schema"]) if name in _OF_MODELS else {}

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchemaValue:
        """A type of daeda's own is any value."""
        return {}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults are in the reference, and are no JSON here."""
        return self.generate_inner(schema["schema"])


def schema_of(kind: Kind) -> dict[str, Any]:
    """The JSON schema of a kind of file."""
    schema = MODELS[kind].model_json_schema(schema_generator=_AsRead, by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
