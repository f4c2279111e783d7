"""Statements are made once for all days of a run: days differ in files and instants, which are filled in as text.

Composing, parsing and writing SQL as trees takes longer than running it on a small day. The SQL of a Scan is therefore
a *template* with *parameters* where the day stands, and the handle carries their values:

    SELECT x FROM READ_PARQUET('parameter 0') WHERE t < 'parameter 1'     parameter 0: ['/data/dt=2024-01-03/a.parquet']
Parameters are text literals that no user's text can contain, so they pass through every tree unchanged.
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


def parameter(scan: str, what: str) -> exp.Literal:
    """The literal that stands for something of the day in the SQL of a Scan."""
    return exp.Literal.string(f"{scan} {what} {_PROCESS}")


@lru_cache(maxsize=_STATEMENTS)
def parameter_text(scan: str, what: str) -> str:
    """The same literal as it is written in a statement."""
    return parameter(scan, what).sql("duckdb")


def once_per_template(make: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Call `make` once for handles that differ only in their day, and fill in the values of the day afterwards.

    `make` takes hashable values and handles by position, reads neither the parameters nor `Materialised.rows`, and
    returns text or something that nobody changes.
    """
    memory = lru_cache(maxsize=_STATEMENTS)(make)
    _memories.append(memory.cache_clear)
    remembered = cast(Callable[..., ResultT], memory)

    @wraps(make)
    def filled(*arguments: P.args, **_: P.kwargs) -> ResultT:
        deferred = without_conflicts([value for value in arguments if isinstance(value, Deferred)])
        parameters = tuple(dict.fromkeys(pair for handle in deferred for pair in handle.parameters))
        remaining = iter(deferred)
        key: list[Any] = []
        for value in arguments:
            handle = next(remaining) if isinstance(value, Deferred) else value
            key.append(handle.for_any_day() if isinstance(handle, Deferred | Materialised) else handle)
        try:
            hash(tuple(key))
        except TypeError:
            # A default that is a list: rare, and not worth a key of its own.
            result = make(*key)  # type: ignore[call-arg]
        else:
            result = remembered(*key)
        return cast(ResultT, fill(result, parameters)) if isinstance(result, str) else result

    return filled


def forget_statements() -> None:
    """Make every statement anew: for tests that change how statements are made."""
    for clear in _memories:
        clear()


def without_conflicts(deferred: Sequence[Deferred]) -> list[Deferred]:
    """The handles as they are; where two Scans of one name have different values for a parameter, with none left."""
    values = dict(pair for handle in deferred for pair in handle.parameters)
    if all(values[literal] == text for handle in deferred for literal, text in handle.parameters):
        return list(deferred)
    return [replace(handle, template=handle.query, parameters=()) for handle in deferred]
