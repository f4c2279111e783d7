"""The kinds of sources: a new one is a module beside this one, and a member of a union here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, get_args

from pydantic import PlainValidator, ValidationInfo
from pydantic_core import PydanticKnownError

from daeda.sources.models.ducklake import DuckLakeSource
from daeda.sources.models.files import FileSource
from daeda.sources.models.model import SourceModel
from daeda.sources.models.postgres import PostgresSource

# What is read through a connection, once per run, into Parquet.
DatabaseSource = PostgresSource | DuckLakeSource
# Everything, database or not.
Source = FileSource | DatabaseSource

DATABASES: tuple[type[DatabaseSource], ...] = get_args(DatabaseSource)
SOURCE_KINDS: tuple[type[Source], ...] = get_args(Source)
_ALL_KEYS = frozenset(name for kind in SOURCE_KINDS for name in kind.model_fields)


def parse_source(value: object, info: ValidationInfo) -> Source:
    """The source of its kind, which is the one whose key is given; raises ValueError."""
    if isinstance(value, SOURCE_KINDS):
        return value
    if not isinstance(value, Mapping):
        raise PydanticKnownError("model_type", {"class_name": "Source"})
    given = [name for name, entry in value.items() if entry is not None]
    kinds = [kind for kind in SOURCE_KINDS if kind.key in given]
    own = kinds[0].model_fields if len(kinds) == 1 else SourceModel.model_fields
    foreign = [name for name in given if name in _ALL_KEYS - set(own)]
    # Mistakes in single keys come first: one that is misspelt is the reason for most others.
    model = SourceModel if foreign or not kinds else kinds[0]
    entries = {name: entry for name, entry in value.items() if name not in _ALL_KEYS - set(model.model_fields)}
    source = model.model_validate(entries, context=info.context)
    if len(kinds) != 1:
        raise ValueError(f"a source has exactly one of {_listed(SOURCE_KINDS)}, found {_found(kinds)}")
    if not isinstance(source, SOURCE_KINDS):
        raise ValueError(f"'{foreign[0]}' belongs to {_owner(foreign[0])}: remove it")
    return source


def _listed(kinds: tuple[type[Source], ...]) -> str:
    *first, last = (f"'{kind.key}'" for kind in kinds)
    return f"{', '.join(first)} and {last}"


def _found(kinds: list[type[Source]]) -> str:
    return " and ".join(kind.key for kind in kinds) or "none of them"


def _owner(name: str) -> str:
    owners = [kind.key for kind in SOURCE_KINDS if name in kind.model_fields]
    return "a database" if owners == [kind.key for kind in DATABASES] else " or ".join(owners)


# A source as a field of a model.
ParsedSource = Annotated[Source, PlainValidator(parse_source)]
