"""Which store a run reads: the number of its version, and the digest that tells its content from any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daeda.errors import UsageError


@dataclass(frozen=True)
class StoreIdentity:
    """A store as it is pinned: a tag is resolved to its number once, and the number and the content decide."""

    version: int
    content: str


Stores = Mapping[str, StoreIdentity]
# Asked for where a day needs it alone: a store is opened by a process that has Lance.
FindStores = Callable[[], Stores]


def stores_to_text(stores: Stores) -> str:
    """The identities as one line of JSON, by name of the store.

    >>> stores_to_text({"items": StoreIdentity(3, "5f2a")})
    '{"items": {"version": 3, "content": "5f2a"}}'
    """
    return json.dumps(
        {name: {"version": store.version, "content": store.content} for name, store in sorted(stores.items())}
    )


def stores_from_text(text: str) -> dict[str, StoreIdentity]:
    """The inverse of stores_to_text; UsageError for anything else.

    >>> stores_from_text('{"items": {"version": 3, "content": "5f2a"}}')
    {'items': StoreIdentity(version=3, content='5f2a')}
    """
    try:
        return {name: _identity(**fields) for name, fields in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            "--pinned-stores takes what `python -m enrich --stores` prints: one line of JSON with version and content "
            "of each store"
        ) from error


def _identity(version: Any, content: Any) -> StoreIdentity:
    if type(version) is not int or not isinstance(content, str):
        raise TypeError
    return StoreIdentity(version, content)
