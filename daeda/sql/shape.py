"""Statements are made once for all days of a run: days differ in files and instants, which are filled in as text.

Composing, parsing and writing SQL as trees takes longer than running it on a small day. A Scan therefore puts *blanks*
where the day stands, and carries what belongs there:

    SELECT x FROM READ_PARQUET('blank 0') WHERE t < 'blank 1'      blank 0: ['/data/dt=2024-01-03/a.parquet'], ...

Blanks are text literals that no user's text can contain, so they pass through every tree unchanged.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

from sqlglot import exp

from daeda.sql.handle import Deferred, Materialised, fill

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_PROCESS = uuid.uuid4().hex
_STATEMENTS = 1024
_memories: list[Callable[[], None]] = []


def blank(scan: str, what: str) -> exp.Literal:
    """The literal that stands for something of the day in the SQL of a Scan."""
    return exp.Literal.string(f"{scan} {what} {_PROCESS}")


@lru_cache(maxsize=_STATEMENTS)
def blank_text(scan: str, what: str) -> str:
    """The same literal as it stands in a statement."""
    return blank(scan, what).sql("duckdb")


def once_per_shape(make: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Remember what `make` gives for handles that differ in nothing but their day; statements get their blanks filled.

    `make` takes hashable values and handles by position, looks neither at the blanks nor at `Materialised.rows`, and
    gives text or something that nobody changes.
    """
    memory = lru_cache(maxsize=_STATEMENTS)(make)
    _memories.append(memory.cache_clear)
    remembered = cast(Callable[..., ResultT], memory)

    @wraps(make)
    def made(*arguments: P.args, **_: P.kwargs) -> ResultT:
        deferred = without_conflicts([one for one in arguments if isinstance(one, Deferred)])
        blanks = tuple(dict.fromkeys(pair for one in deferred for pair in one.blanks))
        shapes: list[Any] = [one.shape() if isinstance(one, Materialised) else one for one in arguments]
        waiting = iter(deferred)
        shapes = [next(waiting).shape() if isinstance(one, Deferred) else one for one in shapes]
        try:
            hash(tuple(shapes))
        except TypeError:
            # A default that is a list: rare, and not worth a key of its own.
            result = make(*shapes)  # type: ignore[call-arg]
        else:
            result = remembered(*shapes)
        return cast(ResultT, fill(result, blanks)) if isinstance(result, str) else result

    return made


def forget_statements() -> None:
    """Make every statement anew: for tests that change how statements are made."""
    for clear in _memories:
        clear()


def without_conflicts(deferred: Sequence[Deferred]) -> list[Deferred]:
    """The handles as they are, or, where two Scans of one name would fill a blank differently, with no blanks left."""
    texts = dict(pair for one in deferred for pair in one.blanks)
    if all(texts[literal] == text for one in deferred for literal, text in one.blanks):
        return list(deferred)
    return [replace(one, template=one.query, blanks=()) for one in deferred]
