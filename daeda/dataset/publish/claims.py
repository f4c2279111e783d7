"""Claims: a day of a dataset belongs to one live run at a time.

    <run>/claims/<dataset>/dt=YYYY-MM-DD     the run builds the day, or reads it and must not see it replaced

A claim is as alive as the lock of its run: whoever comes next removes the directory of a dead run with its claims.
A run takes all days that it needs at once, or none, and holds nothing while it waits: no two runs wait for each other.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from daeda.dataset.layout import Dataset, day_name
from daeda.dataset.publish.staging import CLAIMS, RunStaging, live_runs, lock_text
from daeda.errors import DayError, InputError, counted, refusal, shortened
from daeda.process.locks import is_stopped
from daeda.process.messages import say
from daeda.storage.anew import look_anew

OnLocked = Literal["wait", "fail"]

Claim = tuple[Dataset, dt.date]

# How late a waiting run notices that a day has become free.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Holder:
    """Another live run, and the claims of it that are in the way. `host`, `process` and `since` are for people."""

    host: str
    process: int
    since: str
    claims: tuple[Claim, ...]

    def sentence(self) -> str:
        """Who holds what, since when."""
        days = shortened([f"{day} ({dataset})" for dataset, day in self.claims], 3)
        stopped = self.host == socket.gethostname() and is_stopped(self.process)
        state = ", which is stopped" if stopped else ""
        return f"{days} held by process {self.process} on {self.host} since {self.since} UTC{state}"


def claim_days(
    staging: RunStaging,
    claims: Iterable[Claim],
    on_locked: OnLocked,
    *,
    tell: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
    seconds: float = float("inf"),
) -> bool:
    """Claim days for the run; returns whether it had to wait. A claim that the run has already stays.

    `tell` gets one line for each run that is waited for, `check` is called while waiting and may raise. Raises DayError
    where another run holds a day and `on_locked` is "fail", or holds it for longer than `seconds`, and InputError where
    nothing can be written.
    """
    wanted = tuple(dict.fromkeys(claims))
    announced: set[tuple[str, int]] = set()
    until = time.monotonic() + seconds
    while True:
        try:
            holders = _try_to_claim(staging, wanted)
        except OSError as error:
            raise InputError(f"output root {staging.layout.output_root}: {refusal(error)}") from error
        if not holders:
            return bool(announced)
        if on_locked == "fail":
            raise DayError(
                f"locked: {_sentences(holders)}: run again when that run has ended, or wait for it with --on-locked "
                "wait"
            )
        for holder in holders:
            if (holder.host, holder.process) not in announced:
                announced.add((holder.host, holder.process))
                tell(f"waiting: {holder.sentence()} (--on-locked fail ends instead)")
        check()
        if time.monotonic() > until:
            raise DayError(
                f"locked: {_sentences(holders)}: waited for {seconds / 60:g} minutes: run again when that run has "
                "ended, or raise timeouts.lock_minutes"
            )
        time.sleep(_LOOK_SECONDS)


def claim_due_days(
    staging: RunStaging,
    dataset: Dataset,
    days: tuple[dt.date, ...],
    due: Callable[[], Iterable[dt.date]] | None,
    on_locked: OnLocked,
    *,
    minutes: float,
    reads: tuple[Dataset, ...] = (),
    check: Callable[[], None] = lambda: None,
) -> tuple[dt.date, ...]:
    """Claim days of a dataset, and the same days of those that it `reads`; returns the days still to be built.

    `due` is asked once nobody else may build the days, which another run may have built meanwhile; without it all are
    still to be built.
    """
    datasets = (*reads, dataset)
    claim_days(staging, claims_of(days, *datasets), on_locked, tell=say, check=check, seconds=minutes * 60.0)
    if due is None:
        return days
    still_due = set(due())
    built = [day for day in days if day not in still_due]
    release(staging, claims_of(built, *datasets))
    if built:
        say(f"{dataset}: {counted(len(built), 'day')} built by another run meanwhile")
    return tuple(day for day in days if day in still_due)


def claims_of(days: Iterable[dt.date], *datasets: Dataset) -> list[Claim]:
    """The claims of days of each of the datasets."""
    return [(dataset, day) for day in days for dataset in datasets]


def holds(staging: RunStaging, dataset: Dataset, day: dt.date) -> bool:
    """Whether the run has claimed the day and has not been taken for dead since."""
    return _path(staging.directory, (dataset, day)).exists()


def release(staging: RunStaging, claims: Iterable[Claim]) -> None:
    """Give claims back; those that the run does not have are none."""
    for claim in claims:
        _path(staging.directory, claim).unlink(missing_ok=True)


def _sentences(holders: Iterable[Holder]) -> str:
    return "; ".join(holder.sentence() for holder in holders)


def _try_to_claim(staging: RunStaging, wanted: Sequence[Claim]) -> list[Holder]:
    """Claim everything, or return who is in the way."""
    with live_runs(staging.layout) as runs:
        others = [run for run in runs if run != staging.directory]
        for run in others:
            # Its host may have claimed a day that was free when this one looked.
            for directory in (run / CLAIMS, *{_path(run, claim).parent for claim in wanted}):
                look_anew(directory)
        claimed = [(run, tuple(claim for claim in wanted if _path(run, claim).exists())) for run in others]
        holders = [_holder(run, claims) for run, claims in claimed if claims]
        if not holders:
            for claim in wanted:
                path = _path(staging.directory, claim)
                path.parent.mkdir(exist_ok=True)
                path.touch()
        return holders


def _path(run: Path, claim: Claim) -> Path:
    dataset, day = claim
    return run / CLAIMS / dataset / day_name(day)


def _holder(run: Path, claims: tuple[Claim, ...]) -> Holder:
    """What the lock of the run says; a run that ends at this moment, or a lock that was written over, says nothing."""
    try:
        lock = json.loads(lock_text(run))
        since = dt.datetime.fromtimestamp(int(lock["since"]), dt.UTC).replace(tzinfo=None)
        return Holder(str(lock["host"]), int(lock["process"]), str(since), claims)
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Holder("an unknown host", 0, "an unknown time", claims)
