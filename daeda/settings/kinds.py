"""Field types that several models share: names, durations, sizes, types, and references into base.yaml."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationInfo
from pydantic_core import PydanticKnownError

from daeda.dtypes import DType
from daeda.durations import Duration
from daeda.errors import cut, did_you_mean, in_yaml
from daeda.settings.scalars import WrittenFloat
from daeda.storage.location import is_object
from daeda.storage.masking import has_secret

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_SIZE = re.compile(r"(\d{1,18})\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# More places of a quantile than there will ever be rows to tell apart by them.
_MOST_DIGITS = 25
_MOST_BYTES_OF_A_NAME = 255
# A day is not built while a label of it is not mature.
WAIT: Final = "wait"
_MOST_LETTERS_OF_A_PATH = 1_000
_SIZE_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE_UNITS |= {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Strict(BaseModel):
    """A frozen model that forbids unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    # What to write where something else than a mapping stands: one, or several ways.
    example: ClassVar[str] = ""


@dataclass
class Dimensions:
    """The entries of base.yaml, and which of them another file has used."""

    entries: dict[str, int | str | list[Any]]
    used: set[str] = field(default_factory=set)

    def resolve(self, name: str) -> int | str | list[Any]:
        """The value behind a name; raises ValueError with what exists."""
        if name not in self.entries:
            raise ValueError(
                f"'{cut(name)}' is neither a value nor a name of config/base.yaml: {did_you_mean(name, self.entries)}"
            )
        self.used.add(name)
        return self.entries[name]

    def rooted(self, path: str) -> str:
        """The path with its first part replaced where that names a root, an address of object storage.

        >>> Dimensions({"lake": "s3://acme/lake"}).rooted("lake/events")
        's3://acme/lake/events'
        """
        name, slash, rest = path.partition("/")
        root = self.entries.get(name)
        if not isinstance(root, str) or not is_object(root):
            return path
        self.used.add(name)
        return f"{root.rstrip('/')}{slash}{rest}"


def parse_name(value: object) -> str:
    """A name that becomes a directory, a column prefix or a label: letters, digits and underscores."""
    text = in_yaml(value)
    if not isinstance(value, str) or not _NAME.fullmatch(text):
        raise ValueError(f"'{cut(text)}' is not a name: use letters, digits and '_', and begin with a letter or '_'")
    if text.startswith("__"):
        raise ValueError(f"'{cut(text)}' begins with '__', which is kept for columns that daeda makes while it works")
    return text


def repeated(names: Iterable[str]) -> list[str]:
    """The names that stand more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def parse_import_path(value: object) -> str:
    """Where a function is, `package.module:function`; raises ValueError."""
    if not isinstance(value, str) or not _IMPORT_PATH.fullmatch(value):
        raise ValueError(f"'{cut(value)}' is not an import path: write package.module:function")
    return value


def parse_path(value: object) -> object:
    """A path as text; raises ValueError for one that no file system takes."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError("the path is empty: write '.' for the directory that it is relative to")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError(f"{cut(repr(value))} has a control character in it, and a path has none")
    if has_secret(value):
        raise ValueError("the address has a password or a key in it: credentials stay outside, see docs/storage.md")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{cut(repr(value))} is not UTF-8, and names of files are read as UTF-8")
    longest = max((len(part.encode("utf-8", "surrogatepass")) for part in value.split("/")), default=0)
    if longest > _MOST_BYTES_OF_A_NAME:
        raise ValueError(f"'{cut(value)}' has a name of {longest} bytes in it: file systems take at most 255")
    if len(value) > _MOST_LETTERS_OF_A_PATH:
        raise ValueError(f"'{cut(value)}' has {len(value)} characters: a path has at most {_MOST_LETTERS_OF_A_PATH}")
    return value


def parse_day(value: object) -> object:
    """A day as a date or as YYYY-MM-DD; raises ValueError for everything else, numbers and instants included."""
    if type(value) is dt.date:
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"'{value}' is not a day: {error}") from error
    raise ValueError(f"'{cut(value)}' is not a day: write YYYY-MM-DD")


def _no_boolean(value: object) -> object:
    """YAML's true is Python's 1, and nobody means it."""
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def parse_size(value: object) -> int:
    """Bytes of `64GiB` or of a whole number; raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    matched = _SIZE.fullmatch(str(value).strip())
    if not matched or int(matched[1]) == 0:
        raise ValueError(f"'{cut(value)}' is not a size: write a whole number and a unit, like 512MiB or 64GiB")
    return int(matched[1]) * _SIZE_UNITS[matched[2]]


def _parse_dtype(value: object) -> DType:
    return value if isinstance(value, DType) else DType.parse(in_yaml(value))


def _parse_read_dtype(value: object) -> DType:
    dtype = _parse_dtype(value)
    if dtype.holds_struct:
        raise ValueError(
            f"{cut(dtype.name)} has a struct in it, which an aggregation of kind sequence makes; views and functions "
            "have none: write its fields as columns of their own"
        )
    return dtype


@cache
def _known_zones() -> frozenset[str]:
    """The names of all time zones, which are those of some hundred files."""
    return frozenset(zoneinfo.available_timezones())


def parse_zone(value: object) -> str:
    """The name of a time zone; raises ValueError."""
    known = _known_zones()
    if not isinstance(value, str) or value not in known:
        close = difflib.get_close_matches(cut(value), known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "write a name like Europe/Berlin"
        raise ValueError(f"'{cut(value)}' is not a time zone: {hint}")
    return value


def _parse_duration(value: object) -> Duration:
    return value if isinstance(value, Duration) else Duration.parse(value)


def _parse_delay(value: object) -> Duration:
    return value if isinstance(value, Duration) else Duration.parse_delay(value)


def _parse_ahead(value: object) -> Duration:
    return value if isinstance(value, Duration) else Duration.parse_bounded(value)


def _parse_grid(value: object) -> Duration:
    return Duration.parse_grid(value)


def parse_quantile(value: object) -> Decimal:
    """A share above 0 and at most 1, exactly as it is written; raises ValueError.

    >>> parse_quantile(0.50)
    Decimal('0.5')
    """
    text = value.text if isinstance(value, WrittenFloat) else in_yaml(value)
    try:
        share = Decimal(text) if isinstance(value, int | float | str | Decimal) else Decimal("nan")
    except InvalidOperation:
        share = Decimal("nan")
    if isinstance(value, bool) or not share.is_finite() or not 0 < share <= 1:
        raise ValueError(f"'{cut(text)}' is no quantile: write a number above 0 and at most 1, like 0.5")
    if len(share.as_tuple().digits) > _MOST_DIGITS or share.adjusted() < -_MOST_DIGITS:
        raise ValueError(f"'{cut(text)}' has more than {_MOST_DIGITS} places: write fewer")
    return share.normalize()


def parse_half_life(value: object) -> Duration:
    """A duration that is neither 0 nor without bound; raises ValueError."""
    try:
        span = _parse_duration(value)
    except ValueError:
        span = None
    if span is None or span.nanoseconds is None:
        raise ValueError(f"'{cut(value)}' is no half-life: write a whole number above 0 and a unit, like 12h or 3d")
    return span


def parse_immature(value: object) -> object:
    """What becomes of a day on which a label is not mature: `null`, or that it waits; raises ValueError."""
    if value is not None and value != WAIT:
        raise ValueError(
            f"'{cut(value)}' is not what a label is while it is not mature: write null, and it is NULL then, or leave "
            "it out, and the day waits"
        )
    return value


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


def _resolve_count(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and isinstance(info.context, Dimensions):
        value = info.context.resolve(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"'{cut(value)}' is not a whole number above 0")
    return value


def _resolve_list(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not isinstance(info.context, Dimensions):
        return value
    if value not in info.context.entries and value[:1].isdigit():
        raise PydanticKnownError("tuple_type")  # a duration, which is no name
    resolved = info.context.resolve(value)
    if not isinstance(resolved, list):
        raise ValueError(f"'{cut(value)}' is {cut(resolved)} in config/base.yaml, and a list is needed: write [1d, 7d]")
    return resolved


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names as they are, of which none stands twice; raises ValueError."""
    if twice := repeated(names):
        raise ValueError(f"names {', '.join(twice)} twice: each stands once")
    return names


def _switch(value: object) -> object:
    """What is written for a switch is true or false, as text in the environment.

    It is no nothing, number or other text, which pydantic takes for one of them.
    """
    is_text = isinstance(value, str) and value.lower() in ("true", "false")
    if not isinstance(value, bool) and not is_text:
        raise PydanticKnownError("bool_type")
    return value


def _parse_version(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"'{cut(value)}' is no version: write its number, or a tag in quotes")
    return value


PathText = Annotated[str, BeforeValidator(parse_path)]
Day = Annotated[dt.date, BeforeValidator(parse_day)]
Whole = Annotated[int, BeforeValidator(_no_boolean)]
Name = Annotated[str, BeforeValidator(parse_name)]
ImportPath = Annotated[str, BeforeValidator(parse_import_path)]
Size = Annotated[int, BeforeValidator(parse_size)]
Type = Annotated[DType, BeforeValidator(_parse_dtype), PlainSerializer(str)]
# What files are read as, and what functions return: no structs.
ReadType = Annotated[DType, BeforeValidator(_parse_read_dtype), PlainSerializer(str)]
Zone = Annotated[str, BeforeValidator(parse_zone)]
Span = Annotated[Duration, BeforeValidator(_parse_duration), PlainSerializer(str)]
Delay = Annotated[Duration, BeforeValidator(_parse_delay), PlainSerializer(str)]
Grid = Annotated[Duration, BeforeValidator(_parse_grid), PlainSerializer(str)]
HalfLife = Annotated[Duration, BeforeValidator(parse_half_life), PlainSerializer(str)]
Quantile = Annotated[Decimal, BeforeValidator(parse_quantile), PlainSerializer(str)]
Quantiles = Annotated[tuple[Quantile, ...], BeforeValidator(_several)]
Count = Annotated[int, BeforeValidator(_resolve_count)]
Immature = Annotated[Literal["wait"] | None, BeforeValidator(parse_immature)]
Spans = Annotated[tuple[Span, ...], BeforeValidator(_resolve_list)]
# Of windows that have an end.
Ahead = Annotated[Duration, BeforeValidator(_parse_ahead), PlainSerializer(str)]
Aheads = Annotated[tuple[Ahead, ...], BeforeValidator(_resolve_list)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_one_or_more), AfterValidator(each_once)]
Once = Annotated[tuple[Name, ...], AfterValidator(each_once)]
References = Annotated[tuple[str, ...], AfterValidator(each_once)]
Switch = Annotated[bool, BeforeValidator(_switch)]
# A switch of which it tells whether anything is written.
SwitchIfWritten = Annotated[bool | None, BeforeValidator(_switch)]
Version = Annotated[int | str, BeforeValidator(_parse_version)]
