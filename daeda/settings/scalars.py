"""Numbers and instants of YAML as they are written: YAML 1.1 reads some as what nobody means, and cuts others short."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

_LEADING_ZERO = re.compile(r"[-+]?0\d+")
_FRACTION = re.compile(r"\.(\d+)")
_MICROSECONDS = 6
# More digits than a number of a configuration has, and fewer than fill the memory.
_MOST_PLACES = 1_000


class WrittenFloat(float):
    """A double that was written with more digits than it keeps: `text` has them, for types that keep them too."""

    text: str

    def __new__(cls, value: float, text: str) -> WrittenFloat:
        """The double nearest to the text."""
        made = super().__new__(cls, value)
        made.text = text
        return made


def as_written(tag: str, text: str, value: Any) -> Any:
    """The value that PyYAML makes of a plain scalar, or one that is exact; raises ValueError with what to write.

    >>> as_written("int", "1_000", 1000)
    1000
    """
    if tag in ("int", "float"):
        return _number(text.replace("_", ""), value)
    if tag == "timestamp":
        fraction = _FRACTION.search(text)
        # Python's datetime ends with microseconds.
        return text if fraction and len(fraction[1].rstrip("0")) > _MICROSECONDS else value
    return value


def _number(text: str, value: float) -> Any:
    if ":" in text:
        raise ValueError(f"YAML reads it as {value}, in base 60: quote it, or write {value} where that is meant")
    if isinstance(value, int):
        if _LEADING_ZERO.fullmatch(text) and int(text) != value:
            raise ValueError(f"YAML reads it as {value}, in octal: write {int(text)}, or {value} where that is meant")
        return value
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return value  # .inf and .nan
    if math.isinf(value):
        raise ValueError("it is greater than any double: write .inf where that is meant, or quote it")
    if value == 0 and exact != 0:
        raise ValueError("it is nearer to 0 than any double: write 0.0 where that is meant, or quote it")
    return value if Decimal(repr(value)) == exact else WrittenFloat(value, text)


def written_decimal(value: object) -> Decimal | None:
    """The number exactly as it is written in YAML, without trailing zeros; None for what is not a finite number.

    >>> written_decimal(0.10), written_decimal("0.5"), written_decimal(True)
    (Decimal('0.1'), Decimal('0.5'), None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        exact = Decimal(value.text if isinstance(value, WrittenFloat) else str(value))
    except InvalidOperation:
        return None
    if not exact.is_finite() or abs(exact.adjusted()) > _MOST_PLACES or len(exact.as_tuple().digits) > _MOST_PLACES:
        return None
    sign, digits, exponent = exact.as_tuple()
    kept = "".join(map(str, digits)).rstrip("0") or "0"
    return Decimal((sign, tuple(map(int, kept)), int(exponent) + len(digits) - len(kept) if exact else 0))
