"""Entities: whose rows these are, and which column is the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from daeda.errors import cut
from daeda.settings.kinds import parse_name


@dataclass(frozen=True)
class Entity:
    """One entity. Its key is the column `<name>_id`, unless another column is named.

    >>> Entity("user").key, Entity("tail", "tailnum").key
    ('user_id', 'tailnum')
    """

    name: str
    named_key: str | None = None

    @property
    def key(self) -> str:
        """The column that holds the key."""
        return self.named_key or f"{self.name}_id"


def parse_entities(value: object) -> list[Entity]:
    """Entities of a name, of a mapping of names to keys, or of a list of such; raises ValueError.

    >>> [entity.key for entity in parse_entities(["user", {"tail": "tailnum"}])]
    ['user_id', 'tailnum']
    """
    entities = [entity for entry in (value if isinstance(value, list | tuple) else [value]) for entity in _of(entry)]
    names = [entity.name for entity in entities]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names the entity {', '.join(twice)} twice: each stands once")
    return entities


def _of(entry: object) -> list[Entity]:
    match entry:
        case Entity():
            return [entry]
        case str():
            return [Entity(parse_name(entry))]
        case dict() if entry:
            return [Entity(parse_name(name), parse_name(key)) for name, key in entry.items()]
        case _:
            raise ValueError(
                f"'{cut(entry)}' is no entity: write a name like user, whose key is user_id, or a name and its key "
                "like {tail: tailnum}"
            )


def _written(entities: tuple[Entity, ...]) -> list[str | dict[str, str]]:
    return [{entity.name: entity.named_key} if entity.named_key else entity.name for entity in entities]


Entities = Annotated[tuple[Entity, ...], BeforeValidator(parse_entities), PlainSerializer(_written)]
