"""Pieces of histories that stay mapped from one day to the next, which needs most of them again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

# By directory of the run and name of the operator, what its newest day has mapped.
_newest: dict[tuple[str, str], Mapping[Path, pa.Table]] = {}


def still_mapped(run_dir: str, operator: str) -> Mapping[Path, pa.Table]:
    """What a day of the run has left for the next one."""
    return _newest.get((run_dir, operator), {})


def leave_mapped(run_dir: str, operator: str, pieces: Mapping[Path, pa.Table]) -> None:
    """Leave the pieces of a day to the next one, and let go of those that the days before it left."""
    _newest[run_dir, operator] = pieces


def forget_mapped(run_dir: str) -> None:
    """Let go of the pieces of a run that has ended: until then their files take place on the disk."""
    for one in [one for one in _newest if one[0] == run_dir]:
        _newest.pop(one, None)
