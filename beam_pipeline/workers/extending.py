"""What an extended day takes from where: the constants of the chain that extends days, and the days it gives up.

<run>/given_up/dt=D       why the published day could not be extended after all: the run builds it anew
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from daeda.dataset.layout import day_name
from daeda.operators.relation import Relation
from daeda.operators.relational import Scan
from daeda.planning.extension import Extension
from daeda.storage.anew import look_anew
from daeda.storage.regular import read_regular

_GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Extending:
    """Days that keep columns of what is published of them, and compute the same other columns.

    `relation` is that of the whole output. What stands in the manifest is that of a day which computes all of it:
    `digests` and `codes` of its operators and functions, and what its `scans` would read.
    """

    relation: Relation
    digests: Mapping[str, str]
    codes: Mapping[str, str]
    scans: tuple[Scan, ...]
    days: Mapping[dt.date, Extension]


def give_up(run_dir: str, day: dt.date, reason: str) -> None:
    """Note that a day is to be built anew."""
    directory = Path(run_dir) / _GIVEN_UP
    directory.mkdir(exist_ok=True)
    (directory / day_name(day)).write_text(reason, encoding="utf-8")


def given_up(run_dir: str, days: Iterable[dt.date]) -> dict[dt.date, str]:
    """Those of the days that were given up, and why."""
    directory = Path(run_dir) / _GIVEN_UP
    for shared in (directory.parent, directory):
        look_anew(shared)
    notes = {day: directory / day_name(day) for day in days}
    return {day: read_regular(note).decode() for day, note in notes.items() if note.exists()}
