"""How rows become batches, whoever reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

WINDOW_ROWS = 262_144
# More rows than that cannot be told apart in the random numbers that order them; no row has more items.
MOST_TOGETHER = 1 << 31


@dataclass(frozen=True)
class Settings:
    """Sizes, the seed, and what becomes of the rows that fill no batch."""

    batch_rows: int
    shuffle_seed: int | None = None
    window_rows: int = WINDOW_ROWS
    drop_last: bool = False
    read_ahead: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_rows", "shuffle_seed", "window_rows", "read_ahead"):
            object.__setattr__(self, name, of_python(getattr(self, name)))

    def mistakes(self) -> Iterable[str]:
        """A sentence for each value that is none."""
        for name, value, least in (
            ("batch_rows", self.batch_rows, 1),
            ("window_rows", self.window_rows, 1),
            ("read_ahead", self.read_ahead, 1),
            ("shuffle_seed", 0 if self.shuffle_seed is None else self.shuffle_seed, 0),
        ):
            if not is_whole(value) or value < least:
                yield f"{name} is {value!r}, and not a whole number from {least}"
            elif name != "shuffle_seed" and value > MOST_TOGETHER:
                yield f"{name} is {value:,}: at most {MOST_TOGETHER:,} rows are in memory together"
        drop_last: object = self.drop_last
        if not isinstance(drop_last, bool):
            yield f"drop_last is {drop_last!r}, and neither True nor False"


def of_python(value: Any) -> Any:
    """A whole number of numpy, which JSON does not take, as one of Python; anything else as it is.

    >>> of_python(np.int32(3))
    3
    """
    return int(value) if isinstance(value, np.integer) else value


def is_whole(value: object) -> bool:
    """Whether it is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)
