"""Which columns say whose a row is: ids and codes, by their names, their values and the tables that share them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from daeda.init_project.tables import Column, Table, valid_name
from daeda.init_project.times import Time, share
from daeda.init_project.words import KEY_ENDS, PARTS, PLACES, any_of, is_key_name, rank_as_entity

_LONGEST_TEXT = 64


@dataclass(frozen=True)
class Key:
    """A column that may be a key, why, and how much speaks for it; `row_id` names single rows."""

    column: Column
    score: float
    why: str
    row_id: bool


def find_keys(table: Table, time: Time | None, shared: Collection[str]) -> list[Key]:
    """The columns that may be keys, the likeliest first. `shared` are those whose values are keys of other tables."""
    used = set(time.columns) if time is not None else set[str]()
    found = [
        key
        for column in table.columns
        if column.name not in used and (key := _key(column, column.name in shared)) is not None
    ]
    return sorted(found, key=lambda key: (-key.score, -rank_as_entity(key.column.words), -key.column.distinct))


def _key(column: Column, is_shared: bool) -> Key | None:
    if not (column.is_integer or column.dtype == "string") or column.text_format or column.distinct < 1:
        return None
    part = len(column.words) == 1 and column.words[0] in PARTS
    if part or any_of(column.words, PLACES) or column.null_share > 0.9:
        return None
    named = is_key_name(column.words) or (rank_as_entity(column.words) > 0 and len(column.words) == 1)
    repeats = column.per_value >= 2
    score = 3.0 * named + 2.0 * is_shared
    if column.dtype == "string":
        score += 1.0 * (repeats and column.distinct >= 2)
    elif not named and not is_shared:
        return None
    if score <= 0:
        return None
    told = [f"{column.distinct:,} {'value' if column.distinct == 1 else 'values'}"]
    told += [f"{column.per_value:,.1f} rows each"] if not column.unique else ["each once"]
    told += [f"{share(column.null_share)} NULL"] if column.null_share else []
    told += ["in other tables too"] if is_shared else []
    return Key(column, score, ", ".join(told), column.unique and named)


def entity_of(key: str) -> str:
    """The name of the entity whose key a column is.

    >>> entity_of("user_id"), entity_of("movieId"), entity_of("tailnum"), entity_of("CustomerID"), entity_of("origin")
    ('user', 'movie', 'tail', 'customer', 'origin')
    """
    folded = key.lower()
    for end in sorted(KEY_ENDS, key=len, reverse=True):
        if folded.endswith(end) and len(folded.removesuffix(end).strip("_")) > 1:
            return valid_name(folded.removesuffix(end).strip("_"))
    return valid_name(folded)
