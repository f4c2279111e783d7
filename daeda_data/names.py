"""Which columns are asked for, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from daeda.errors import UsageError, cut


def names_asked(columns: object) -> tuple[str, ...] | None:
    """The names in `columns=`, None for all; raises UsageError for what is no list of names, each of them once.

    >>> names_asked(name for name in ["price", "amount"])
    ('price', 'amount')
    """
    if columns is None:
        return None
    if isinstance(columns, str):
        raise UsageError(f"columns= is a list of names, and '{cut(columns)}' is a text: columns=['{cut(columns)}']")
    names: list[Any] = list(columns) if isinstance(columns, Iterable) else [columns]
    if not names:
        raise UsageError("columns= is a list of names, of one column at least: leave it out for all columns")
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"columns= is a list of names, and {cut(repr(name))} is none")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"columns=: '{cut(twice[0])}' stands there twice")
    return tuple(names)
