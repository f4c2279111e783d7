"""The sample of a spine once more: MD5 by Python, of the text of the keys, against the share as a fraction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from daeda.settings.sampling import Sample
from daeda_audit.expression.evaluate import holds, read_expression
from daeda_audit.raw.view import Row


def sampled(sample: Sample, rows: Iterable[Row]) -> list[Row]:
    """The rows that stay, each with its weight where the sample names one."""
    condition = None if sample.where is None else read_expression(sample.where, "where of the sample")
    share = Fraction(sample.share)
    kept = []
    for row in rows:
        chosen_from = holds(condition, row)
        if chosen_from and not _stays(sample, share, row):
            continue
        weight = {} if sample.weight is None else {sample.weight: float(1 / share) if chosen_from else 1.0}
        kept.append({**row, **weight})
    return kept


def _stays(sample: Sample, share: Fraction, row: Row) -> bool:
    keys = [row[name] for name in sample.by]
    if None in keys:
        return False
    text = "|".join([str(sample.seed), *map(_text, keys)])
    number = int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], "big")
    return number < share * 2**64 // 1


def _text(key: Any) -> str:
    """A key as text: a Day writes itself as YYYY-MM-DD."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
