"""The published rows beside the rows of the spine: is one lost, added, or out of place?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daeda_audit.values import order_key, shown

Identity = tuple[Any, ...]


@dataclass(frozen=True)
class RowMatching:
    """`published[i]` is the published row number of spine row i, None for a row that is lost.

    `added` are published rows that the spine does not have, `moved` how many rows are not in their place.
    """

    published: tuple[int | None, ...]
    added: tuple[int, ...]
    moved: int
    first_moved: int | None = None

    @property
    def lost(self) -> tuple[int, ...]:
        """Spine rows that were not published."""
        return tuple(position for position, number in enumerate(self.published) if number is None)


def match_rows(spine: Sequence[Identity], published: Sequence[Identity]) -> RowMatching:
    """Match rows: by place where the days agree row for row, else the n-th of an identity with its n-th.

    >>> match_rows([(1,), (2,)], [(2,), (1,)]).moved
    2
    """
    wanted = [order_key(identity) for identity in spine]
    actual = [order_key(identity) for identity in published]
    if wanted == actual:
        return RowMatching(tuple(range(len(actual))), (), 0)
    waiting: dict[Any, list[int]] = defaultdict(list)
    for position, key in reversed(list(enumerate(actual))):
        waiting[key].append(position)
    positions = tuple(waiting[key].pop() if waiting[key] else None for key in wanted)
    added = tuple(sorted(position for rest in waiting.values() for position in rest))
    kept = [position for position in positions if position is not None]
    moved = [position for position, right in zip(kept, sorted(kept), strict=True) if position != right]
    return RowMatching(positions, added, len(moved), moved[0] if moved else None)


def identity_of(names: Sequence[str], values: Identity) -> str:
    """A row's name for people."""
    return ", ".join(f"{name} {shown(value)}" for name, value in zip(names, values, strict=True))
