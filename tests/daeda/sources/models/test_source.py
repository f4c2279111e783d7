"""The union of the kinds of sources: each is told by its key, and what contradicts itself is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import TypeAdapter, ValidationError

from daeda.settings.kinds import Dimensions
from daeda.sources.models.model import SourceModel
from daeda.sources.models.source import DATABASES, SOURCE_KINDS, DatabaseSource, ParsedSource, Source

PARSER: TypeAdapter[Source] = TypeAdapter(ParsedSource)
# What is written for a source of each kind, and what stands for it in a pipeline.
EXAMPLES: Mapping[str, tuple[dict[str, object], str]] = {
    "path": ({"path": "lake/events"}, "lake/events"),
    "postgres": ({"postgres": "environment", "table": "shop.prices"}, "postgres://environment/shop.prices"),
    "ducklake": ({"ducklake": "l", "table": "prices", "snapshot": 3}, "ducklake://l/prices@3"),
}


def test_every_kind_has_an_example() -> None:
    assert list(EXAMPLES) == [kind.key for kind in SOURCE_KINDS]
    assert set(DATABASES) < set(SOURCE_KINDS)


@pytest.mark.parametrize("kind", SOURCE_KINDS, ids=lambda kind: kind.key)
def test_a_kind_is_told_by_its_key(kind: type[Source]) -> None:
    entries, reference = EXAMPLES[kind.key]
    source = PARSER.validate_python({**entries, "timestamp_field": "at"})
    assert type(source) is kind
    assert (source.reference, source.timestamp_field) == (reference, "at")
    assert isinstance(source, DatabaseSource) == (kind in DATABASES)
    assert reference.startswith(f"{kind.key}://") == (kind in DATABASES)
    # As the process that exports gets it, and as keys of other kinds that say nothing leave it.
    assert PARSER.validate_python(source.model_dump(mode="json", exclude_unset=True)) == source
    others = {name for other in SOURCE_KINDS for name in other.model_fields} - set(kind.model_fields)
    assert PARSER.validate_python({**source.model_dump(), **dict.fromkeys(others)}) == source


def test_a_root_of_base_yaml_stands_for_an_address_in_a_path_alone() -> None:
    dimensions = Dimensions({"lake": "s3://acme"})
    rooted = {
        key: PARSER.validate_python(entries).rooted(dimensions).reference for key, (entries, _) in EXAMPLES.items()
    }
    assert rooted == {key: reference for key, (_, reference) in EXAMPLES.items()} | {"path": "s3://acme/events"}


@pytest.mark.parametrize(
    ("entries", "sentences"),
    [
        ({}, ["a source has exactly one of 'path', 'postgres' and 'ducklake', found none of them"]),
        ({"path": "x", "ducklake": "y"},
         ["a source has exactly one of 'path', 'postgres' and 'ducklake', found path and ducklake"]),
        ({"postgres": "environment"}, ["a source in a database has exactly one of 'table' and 'query'"]),
        ({"postgres": "environment", "table": "t", "query": "q"},
         ["a source in a database has exactly one of 'table' and 'query'"]),
        ({"ducklake": "x"}, ["a source in a database has exactly one of 'table' and 'query'"]),
        ({"ducklake": "x", "query": "SELECT 1"}, ["'query' belongs to postgres: remove it"]),
        ({"path": "x", "table": "t"}, ["'table' belongs to a database: remove it"]),
        ({"postgres": "e", "table": "t", "snapshot": 1}, ["'snapshot' belongs to ducklake: remove it"]),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(entries: dict[str, object], sentences: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        PARSER.validate_python(entries)
    assert [str(error["ctx"]["error"]) for error in raised.value.errors()] == sentences


@pytest.mark.parametrize("entries", [{"pth": "x"}, {"path": "x", "table": "t", "pth": 1}, {"ducklake": "x", "pth": 1}])
def test_a_misspelt_key_is_named_before_what_it_leads_to(entries: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        PARSER.validate_python(entries)
    assert [(error["loc"], error["type"]) for error in raised.value.errors()] == [(("pth",), "extra_forbidden")]


def test_what_is_no_mapping_is_no_source() -> None:
    with pytest.raises(ValidationError) as raised:
        PARSER.validate_python("events")
    assert [error["msg"] for error in raised.value.errors()] == [
        "Input should be a valid dictionary or instance of Source"
    ]
    assert "key" not in SourceModel.model_fields
