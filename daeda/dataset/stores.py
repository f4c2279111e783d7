"""Which store a run reads: the number of its version, and the digest that tells its content from any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from daeda.errors import UsageError
from daeda.storage.state import STRICT


@dataclass(frozen=True)
class StoreIdentity:
    """A store as it is pinned: a tag is resolved to its number once, and the number and the content decide."""

    __pydantic_config__ = STRICT

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
    return json.dumps({name: asdict(store) for name, store in sorted(stores.items())})


def stores_from_text(text: str) -> dict[str, StoreIdentity]:
    """The inverse of stores_to_text; UsageError for anything else.

    >>> stores_from_text('{"items": {"version": 3, "content": "5f2a"}}')
    {'items': StoreIdentity(version=3, content='5f2a')}
    """
    try:
        return TypeAdapter(dict[str, StoreIdentity]).validate_json(text)
    except ValueError as error:
        raise UsageError(
            "--pinned-stores takes what `python -m enrich --stores` prints: one line of JSON with version and content "
            "of each store"
        ) from error
