"""Which rows a sample keeps, and with which weight: in slow plain Python."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Any

Row = dict[str, Any]


def sample(
    rows: list[Row], share: str, by: list[str], seed: int = 0, where: Callable[[Row], bool | None] | None = None
) -> list[tuple[Row, float]]:
    """The rows that stay, each with its weight; `share` is the decimal as it is written."""
    kept = []
    for row in rows:
        if where is not None and where(row) is not True:
            kept.append((row, 1.0))
        elif all(row[key] is not None for key in by):
            text = str(seed)
            for key in by:
                text += "|" + _text(row[key])
            digest = hashlib.md5(text.encode("utf-8")).hexdigest()
            if int(digest[:16], 16) < (Fraction(share) * 2**64).__floor__():
                kept.append((row, float(1 / Fraction(share))))
    return kept


def _text(key: Any) -> str:
    if key is True:
        return "true"
    if key is False:
        return "false"
    if isinstance(key, date):
        return f"{key.year:04d}-{key.month:02d}-{key.day:02d}"
    return str(key)
