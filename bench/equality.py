"""The gate that every peer's answer passes before its time counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

# Sums of doubles in another order differ in their last digits; daeda's are within one unit in the last place.
_RELATIVE = 1e-9


class Different(ValueError):
    """A peer's answer is another than daeda's."""


def check_equal(
    own: pa.Table, peer: pa.Table, what: str, columns: Mapping[str, str] | None = None, sort: Sequence[str] = ()
) -> None:
    """Raise Different unless the peer has the same rows in the same order.

    `columns` maps daeda's names to the peer's (default: the same names). `sort` names columns of daeda's to sort both
    by first, for a peer that writes another order; rows that are equal in them must be equal in all columns.
    """
    names = dict(columns) if columns is not None else {name: name for name in own.column_names}
    ours = own.select(list(names))
    theirs = peer.select(list(names.values())).rename_columns(list(names))
    if ours.num_rows != theirs.num_rows:
        raise Different(f"{what}: {theirs.num_rows} rows where daeda has {ours.num_rows}")
    if sort:
        keys = [(name, "ascending") for name in sort]
        ours, theirs = ours.sort_by(keys), theirs.sort_by(keys)
    for name in names:
        if not _same(ours.column(name), theirs.column(name)):
            raise Different(f"{what}: '{names[name]}' differs from daeda's '{name}'")


def _same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    if pa.types.is_floating(left.type):
        # An empty sum is 0 for some peers and NULL for daeda.
        ours, theirs = (column.fill_null(0.0).to_numpy() for column in (left, right))
        return bool(np.allclose(ours, theirs, rtol=_RELATIVE, atol=_RELATIVE))
    ours, theirs = left.combine_chunks(), right.cast(left.type).combine_chunks()
    return bool(ours.equals(theirs))
