"""A day at work: its resources, its inputs, and what it records."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable

from beam_pipeline.session.inputs import DayInputs
from beam_pipeline.session.probe_tables import DayProbeTables
from beam_pipeline.session.record import DayRecord, UserExpressions
from beam_pipeline.session.resources import DayResources, PartOfDay
from beam_pipeline.session.started import StartedOperators
from beam_pipeline.session.status import DayStatus
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.day_slots import DaySlots
from daeda.dataset.profile import DayProfile, Meter, this_worker, write_profile


class DaySession:
    """One attempt at one day. `closed` is called once its slot is given back."""

    def __init__(
        self, context: RunContext, day: dt.date, attempt: str, slots: DaySlots, closed: Callable[[str], None]
    ) -> None:
        self.context = context
        self.day = day
        self.attempt = attempt
        self.resources = DayResources(context, day, attempt, slots)
        self.inputs = DayInputs(context, day)
        self.record = DayRecord()
        self.expressions = UserExpressions()
        self.probe_tables = DayProbeTables(self.resources)
        self.started = StartedOperators(self.resources)
        self.status = DayStatus(context.staging.status, day, attempt)
        self.meter = Meter(self.resources.spill) if context.profile else None
        # An operator runs in the thread of the day.
        self.busy = False
        self._slots = slots
        self._closed = closed

    @property
    def at_work(self) -> bool:
        """Whether an operator runs, in the thread of the day or in one of its own."""
        return self.busy or self.started.at_work

    def beside(self, part: PartOfDay) -> DaySession:
        """The session as an operator sees it that runs in a thread of its own, with a part of the resources."""
        seen = copy.copy(self)
        seen.resources = part
        return seen

    def write_profile(self) -> None:
        """Leave the profile of the day, where the run asks for one."""
        if self.meter is not None:
            profile = DayProfile(
                self.day, self.context.day_workers, self.meter.usages, self.meter.began, worker=this_worker()
            )
            write_profile(self.context.staging.layout, "skeleton", profile)

    def close(self) -> None:
        """Give back what the day has taken, and its slot whatever fails before: a run that stops waits for it."""
        try:
            self.started.close()
            self.resources.close()
            self.status.remove()
        finally:
            self._slots.leave(self.attempt)
            self._closed(self.attempt)
