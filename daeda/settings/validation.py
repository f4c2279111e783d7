"""Values of a file, a flag or a variable as a model, and what does not fit in sentences of our own.

What pydantic says of a value is about Python: a "valid tuple" is a list to whoever writes YAML, and None is null. Every
kind of its mistakes that our models can make has a sentence here, which says what was found and what to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from daeda.errors import closest, cut, did_you_mean, in_yaml, shortened
from daeda.settings.document import Document, Mistakes, Position

ModelT = TypeVar("ModelT", bound=BaseModel)

# What stands last in the location of a mapping's key that is wrong itself.
_OF_A_KEY = "[key]"
# The key that says which of several models an entry is.
_DISCRIMINATOR = "op_kind"
_QUOTED = re.compile("'([^']*)'")


def parse_model(model: type[ModelT], document: Document, mistakes: Mistakes, context: object = None) -> ModelT | None:
    """Validate a document; each mistake is recorded with its line, and any gives None."""
    try:
        return model.model_validate(document.data, context=context)
    except ValidationError as error:
        record_validation(model, error, mistakes, document.where, document.data)
        return None


def record_validation(
    model: type[BaseModel],
    error: ValidationError,
    mistakes: Mistakes,
    where: Callable[[Position], str],
    data: Mapping[str, Any],
) -> None:
    """Turn the entries of a ValidationError into sentences. `where` maps a location of `data` to `file:line`."""
    entries = error.errors(include_url=False)
    unknown = [entry["loc"] for entry in entries if entry["type"] == "extra_forbidden"]
    for entry in entries:
        if entry["type"] == "too_short" and len(entry["input"]) >= entry["ctx"]["min_length"]:
            continue  # its items are wrong, which is told of each, and are not counted
        if entry["type"] == "missing" and any(_misspelt(entry["loc"], other) for other in unknown):
            continue  # it is there under a name that is told to be unknown, with this one beside it
        found = _Found(model, entry)
        location = _as_written(found.location, data)
        position = where(location)
        # A flag or a variable names the entry itself, and a line does not.
        shown = (str(part) for part in location if part not in ("", _OF_A_KEY))
        key = ".".join(shown) if position.rpartition(":")[2].isdigit() else ""
        what = found.of_keys()
        if what is None:
            what = f"{key}: {found.of_a_value()}" if key else found.of_a_value(outside_of_files=True)
        mistakes.add(position, what)


@dataclass(frozen=True)
class _Found:
    """One entry of a ValidationError of a model."""

    model: type[BaseModel]
    entry: ErrorDetails

    @property
    def location(self) -> Position:
        """Where it is, without the tags of discriminated unions."""
        return _without_tags(self.model, tuple(self.entry["loc"]))

    @property
    def shown(self) -> str:
        """The value, as a message has it."""
        value = self.entry["input"]
        return f"'{cut(repr(value)[1:-1])}'" if isinstance(value, str) else cut(value)

    def of_keys(self) -> str | None:
        """The sentence about a key that is missing or unknown; None where it is the value that does not fit."""
        location = self.location
        match self.entry["type"]:
            case "extra_forbidden":
                models = _models_at(self.model, tuple(self.entry["loc"])[:-1])
                return f"unknown key '{cut(location[-1])}': {did_you_mean(str(location[-1]), _keys_of(models))}"
            case "union_tag_invalid":
                given = cut(self.entry["input"][_DISCRIMINATOR])
                known = self.entry["ctx"]["expected_tags"].replace("'", "").split(", ")
                return f"unknown {_DISCRIMINATOR} '{given}': {did_you_mean(given, known)}"
            case "union_tag_not_found":
                return f"'{_DISCRIMINATOR}' is missing"
            case "missing":
                return f"'{'.'.join(map(str, location))}' is missing"
            case _:
                return None

    def of_a_value(self, *, outside_of_files: bool = False) -> str:
        """The sentence about a value that does not fit, without the key that it belongs to.

        Outside of files are flags and variables, where lists and mappings are JSON.
        """
        kind, context = self.entry["type"], self.entry.get("ctx", {})
        match kind:
            case "value_error" | "assertion_error":
                return str(context["error"]) if "error" in context else self.entry["msg"]
            case "model_type" | "model_attributes_type" | "dict_type":
                return f"{self.shown} is no mapping of keys to values: {self._mapping(outside_of_files)}{self._or_not}"
            case "tuple_type" | "list_type":
                return f"{self.shown} is no list: {self._list(outside_of_files)}{self._or_not}"
            case "too_short":
                least = context["min_length"]
                return f"the list is empty: write at least {'one' if least == 1 else least}{self._or_not}"
            case "bool_type" | "bool_parsing":
                return f"{self.shown} is neither true nor false: write one of them{self._or_not}"
            case "int_type" | "int_parsing" | "int_parsing_size" | "int_from_float":
                return f"{self.shown} is not a whole number: write {self._number()}{self._or_not}"
            case "greater_than_equal":
                return f"{cut(self.entry['input'])} is too small: write at least {context['ge']}"
            case "less_than_equal":
                return f"{cut(self.entry['input'])} is too large: write at most {context['le']}"
            case "string_type":
                return f"{self.shown} is no text: {self._text()}{self._or_not}"
            case "string_too_short":
                return f"the text is empty: write one{self._or_not}"
            case "literal_error":
                known = _QUOTED.findall(context["expected"])
                hint = did_you_mean(in_yaml(self.entry["input"]), known, len(known))
                return f"{self.shown} is not known here: {hint}{self._or_not}"
            case _:
                return f"{self.entry['msg'][:1].lower()}{self.entry['msg'][1:]}, found {self.shown}"

    @property
    def _or_not(self) -> str:
        """The way out for a key that nothing was written behind, and that is not needed."""
        field = _field_at(self.model, tuple(self.entry["loc"]))
        nothing = self.entry["input"] in (None, "", [], {}, ())
        return f", or leave '{self.location[-1]}' out" if nothing and field and not field.is_required() else ""

    def _mapping(self, as_json: bool) -> str:
        if as_json:
            return 'write it like {"key": "value"}'
        models = _models_at(self.model, tuple(self.entry["loc"]))
        example = next((example for one in models if (example := getattr(one, "example", ""))), "")
        if example:
            return f"write {example}"
        return f"its keys are {shortened(_keys_of(models))}" if models else "write one like {name: value}"

    def _list(self, as_json: bool) -> str:
        value = self.entry["input"]
        if as_json:
            return 'write it like ["a", "b"]'
        if isinstance(value, Mapping):
            return "begin each entry with '- '"
        return f"write [{cut(value)}]" if isinstance(value, str) else "write one"

    def _number(self) -> str:
        field = _field_at(self.model, tuple(self.entry["loc"]))
        bounds = [] if field is None else field.metadata
        least = next((bound.ge for bound in bounds if isinstance(bound, Ge)), None)
        most = next((bound.le for bound in bounds if isinstance(bound, Le)), None)
        if most is not None:
            return f"one from {least} to {most}"
        return "one" if least is None else f"one of at least {least}"

    def _text(self) -> str:
        value = self.entry["input"]
        return "write one" if value is None or isinstance(value, list | Mapping) else f"write '{cut(value)}' in quotes"


def _misspelt(missing: Position, unknown: Position) -> bool:
    """Whether the unknown key most likely stands for the missing one of the same entry."""
    if missing[:-1] != unknown[:-1]:
        return False
    return closest(str(unknown[-1]), [str(missing[-1])]) is not None


def _as_written(location: Position, data: Any) -> Position:
    """The location as far as what was written has it: a list that a single value was made into has no places."""
    for index, part in enumerate(location):
        if isinstance(part, int) and not isinstance(data, list | None):
            return location[:index]
        held = isinstance(data, Mapping) and part in data
        data = data[part] if held or (isinstance(part, int) and data is not None and part < len(data)) else None
    return location


def _field_at(model: type[BaseModel], location: Position) -> FieldInfo | None:
    """The field of the key that stands last in a location; None where none does."""
    if not location or isinstance(location[-1], int):
        return None
    for nested in _models_at(model, location[:-1]):
        for name, field in nested.model_fields.items():
            if location[-1] in (name, field.alias):
                return field
    return None


def _keys_of(models: Sequence[type[BaseModel]]) -> list[str]:
    return list(dict.fromkeys(field.alias or name for one in models for name, field in one.model_fields.items()))


def _models_at(model: type[BaseModel], location: Position) -> list[type[BaseModel]]:
    """The models that can stand at `location`, found by walking the annotations; tags choose among them."""
    current: list[type[BaseModel]] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        tagged = _tagged(current, part)
        fields = [nested.model_fields[part].annotation for nested in current if part in nested.model_fields]
        current = tagged or [nested_model for annotation in fields for nested_model in _models_in(annotation)]
    return current


def _without_tags(model: type[BaseModel], location: Position) -> Position:
    """The location without the tags of discriminated unions, which stand in it where no key of a file does.

    ("operators", 2, "scan", "columns") becomes ("operators", 2, "columns").
    """
    kept: list[str | int] = []
    for index, part in enumerate(location):
        if isinstance(part, int) or not _tagged(_models_at(model, location[:index]), part):
            kept.append(part)
    return tuple(kept)


def _tagged(models: list[type[BaseModel]], part: str) -> list[type[BaseModel]]:
    """The models whose tag is `part`; empty where the models have no tags."""
    tags = [tagged.model_fields.get(_DISCRIMINATOR) for tagged in models]
    if len(models) < 2 or None in tags:
        return []
    return [tagged for tagged, tag in zip(models, tags, strict=True) if tag is not None and tag.default == part]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [nested for argument in get_args(annotation) for nested in _models_in(argument)]
