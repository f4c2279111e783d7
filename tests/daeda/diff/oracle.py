"""What differs between two lists of rows, in small, obvious, slow Python: nothing of `daeda.diff` is used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]


@dataclass
class Found:
    """Pairs, those that differ, rows of one side alone by key, and by column: count, NULLs of each side, distances."""

    paired: int = 0
    changed: int = 0
    only_here: list[str] = field(default_factory=list)
    only_there: list[str] = field(default_factory=list)
    columns: dict[str, tuple[int, int, int, list[float]]] = field(default_factory=dict)


def difference(
    here: Sequence[Row], there: Sequence[Row], key: Sequence[str], columns: Mapping[str, str],
    absolute: float = 0.0, relative: float = 0.0,
) -> Found:  # fmt: skip
    """Rows of one key that are alike are paired first, the others in order; `columns` maps names here to there."""
    found = Found()
    groups: dict[str, tuple[list[Row], list[Row]]] = {}
    for row in here:
        groups.setdefault(_text([row[name] for name in key]), ([], []))[0].append(row)
    for row in there:
        groups.setdefault(_text([row[columns[name]] for name in key]), ([], []))[1].append(row)
    values = {one: other for one, other in columns.items() if one not in key}
    for name, (ours, theirs) in groups.items():
        left = list(theirs)
        unlike = []
        for row in ours:
            mine = _text([row[one] for one in values])
            twin = next((other for other in left if _text([other[one] for one in values.values()]) == mine), None)
            if twin is None:
                unlike.append(row)
            else:
                left = [other for other in left if other is not twin]
                found.paired += 1
        for row, other in zip(unlike, left, strict=False):
            found.paired += 1
            _compare(row, other, values, found, absolute, relative)
        found.only_here += [name] * max(0, len(unlike) - len(left))
        found.only_there += [name] * max(0, len(left) - len(unlike))
    return found


def _compare(row: Row, other: Row, values: Mapping[str, str], found: Found, absolute: float, relative: float) -> None:
    changed = False
    for one, two in values.items():
        if _same(row[one], other[two], absolute, relative):
            continue
        changed = True
        count, null_here, null_there, apart = found.columns.get(one, (0, 0, 0, []))
        distance = _distance(row[one], other[two], absolute, relative)
        apart = apart if distance is None else [*apart, distance]
        found.columns[one] = (count + 1, null_here + (row[one] is None), null_there + (other[two] is None), apart)
    found.changed += changed


def _same(one: Any, two: Any, absolute: float, relative: float) -> bool:
    if one is None or two is None:
        return one is None and two is None
    if isinstance(one, list):
        return len(one) == len(two) and all(_same(*both, absolute, relative) for both in zip(one, two, strict=True))
    if isinstance(one, dict):
        return all(_same(one[name], two[name], absolute, relative) for name in one)
    if isinstance(one, float) or isinstance(two, float):
        if math.isnan(one) or math.isnan(two):
            return math.isnan(one) and math.isnan(two)
        if one == two:
            return True
        return not math.isinf(one - two) and abs(one - two) <= max(absolute, relative * max(abs(one), abs(two)))
    return bool(one == two)


def _distance(one: Any, two: Any, absolute: float, relative: float) -> float | None:
    """The greatest distance of the numbers that differ; None where there is none that can be told."""
    if one is None or two is None or _same(one, two, absolute, relative) or isinstance(one, bool):
        return None
    if isinstance(one, list):
        pairs = list(zip(one, two, strict=True)) if len(one) == len(two) else []
    elif isinstance(one, dict):
        pairs = [(one[name], two[name]) for name in one]
    elif isinstance(one, int | float | Decimal):
        apart = abs(float(one) - float(two))
        return apart if math.isfinite(apart) else None
    else:
        return None
    told = [distance for both in pairs if (distance := _distance(*both, absolute, relative)) is not None]
    return max(told) if told else None


def _text(value: Any) -> str:
    """A text that two values share if they are equal: NaN as NaN, and no sign of a zero."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_text(one)}' for name, one in value.items())}}}"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value + 0.0)
    return str(value.normalize() + 0) if isinstance(value, Decimal) else repr(value)
