"""A batch: rows as numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda_data.loader.memory import Memory

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Rows of published days as numpy arrays, by column; `batch["price"]` is `batch.arrays["price"]`.

    - `arrays`: a number, boolean, time or code of a text has shape `(rows,)`; a list that is padded `(rows, width)`; a
      vector `(rows, dimension)`; a list that is not padded has all its items one after another. A field of a sequence
      has the name `column.field`, and is a list like any other.
    - `masks`: of each array, where there is a value; of a vector by row. Elsewhere the array holds NaN (a float by
      itself), NaT (a time), False or 0.
    - `lengths`: of each list that is padded, how many items each row has kept. `offsets`: of each other list, where the
      items of a row begin and end, `rows + 1` numbers from 0. `present`: of each list, which rows are not NULL.
    - `days`: the day of each row, `datetime64[D]`.
    - `state`: where the iterator stands behind this batch, for `resume`.

    Arrays may be views of the window that their rows were read with, which nothing else uses.
    """

    rows: int
    arrays: dict[str, Array]
    masks: dict[str, Mask]
    lengths: dict[str, npt.NDArray[np.int64]]
    offsets: dict[str, npt.NDArray[np.int64]]
    present: dict[str, Mask]
    days: npt.NDArray[np.datetime64]
    state: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the arrays, those of the fields of sequences among them."""
        return tuple(self.arrays)

    def __getitem__(self, column: str) -> Array:
        return self.arrays[column]

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self.arrays.items())
        return f"Batch({self.rows} rows; {shown})"


@dataclass
class Columns:
    """What a batch is made of, while it is made; `memory` is where large arrays are."""

    memory: Memory
    arrays: dict[str, Array] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    lengths: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    offsets: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    present: dict[str, Mask] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """Some rows of a batch: those that lie in one window."""

    rows: int
    columns: Columns
    days: npt.NDArray[np.datetime64]


def joined(pieces: Sequence[Piece], state: Mapping[str, Any]) -> Batch:
    """The batch that pieces are, in their order; one piece is not copied."""
    first = pieces[0].columns
    if len(pieces) == 1:
        columns, days = first, pieces[0].days
    else:
        columns = Columns(
            first.memory,
            arrays=_side_by_side(pieces, "arrays"),
            masks=_side_by_side(pieces, "masks"),
            lengths=_side_by_side(pieces, "lengths"),
            offsets={name: _offsets([piece.columns.offsets[name] for piece in pieces]) for name in first.offsets},
            present=_side_by_side(pieces, "present"),
        )
        days = np.concatenate([piece.days for piece in pieces])
    rows = sum(piece.rows for piece in pieces)
    made = columns
    return Batch(rows, made.arrays, made.masks, made.lengths, made.offsets, made.present, days, state)


def _side_by_side(pieces: Sequence[Piece], part: str) -> dict[str, Any]:
    found: list[dict[str, Array]] = [getattr(piece.columns, part) for piece in pieces]
    return {name: np.concatenate([arrays[name] for arrays in found]) for name in found[0]}


def _offsets(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    ends = np.cumsum([part[-1] for part in parts])
    moved = [part[1:] + before for part, before in zip(parts[1:], ends[:-1], strict=True)]
    return np.concatenate([parts[0], *moved])
