"""Where an iterator stands, as a few lines of JSON, and whether another one can go on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from daeda.errors import InputError
from daeda.storage.state import STRICT, Count, Digest


@dataclass(frozen=True)
class State:
    """Everything that fixes the rows of a worker and their order, and how many of them were given.

    The size of batches is not among it: where one of another size goes on, no row is lost.
    """

    __pydantic_config__ = STRICT

    data: Digest
    days: str
    seed: Count | None
    window_rows: Count | None
    workers: tuple[Count, Count]
    columns: tuple[Any, ...]
    vocabulary: Literal[""] | Digest
    epoch: Count
    rows: Count
    format: Literal[1] = 1

    def as_json(self) -> dict[str, Any]:
        """What `json.dumps` takes, and `State.read` after `json.loads`."""
        return {name: _copied(getattr(self, name)) for name in _NAMES}

    @staticmethod
    def read(given: Mapping[str, Any]) -> State:
        """The state that was saved; raises InputError for anything else."""
        try:
            return _MODEL.validate_json(json.dumps(given))
        except (ValidationError, TypeError, ValueError) as error:
            raise InputError(
                "resume is not a state of this loader: give what `.state()` of an iterator, or `.state` of a batch, was"
            ) from error

    def check_same(self, now: State) -> None:
        """Raise InputError unless an iterator with these settings gives the same rows in the same order."""
        told = [
            f"{what}: {before} then, {after} now"
            for what, before, after in (
                ("days", self.days, now.days),
                ("shuffle_seed", self.seed, now.seed),
                ("window_rows", self.window_rows, now.window_rows),
                ("workers", self.workers, now.workers),
                ("columns and widths", list(self.columns), list(now.columns)),
            )
            if before != after
        ]
        if not told and self.data != now.data:
            told.append(f"the days {self.days} have other parts now than then")
        if self.vocabulary != now.vocabulary:
            told.append("the vocabulary is another one")
        if told:
            raise InputError(f"resume: the epoch cannot go on, for rows would be lost or come twice: {'; '.join(told)}")


def _copied(value: Any) -> Any:
    return [_copied(each) for each in value] if isinstance(value, list | tuple) else value


_NAMES = tuple(field.name for field in fields(State))
_MODEL: TypeAdapter[State] = TypeAdapter(State)
