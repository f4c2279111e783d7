"""When labels are known: how far the data of each label's history reaches, and which days wait for it.

A label of a day is mature when its history reaches the end of the day and the label's horizon. Partitions reach to the
end of the last one, less the slack; files without partitions as far as a row of them; rows that become known late not
beyond the newest moment at which one did. What `data_until` says takes the place of what files say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from daeda.durations import NANOSECONDS_OF_DAY
from daeda.operators.dag import Dag, Operator
from daeda.operators.operator import Instant
from daeda.operators.relational import Scan
from daeda.operators.temporal import Label, LabelAggregate
from daeda.sources.columns import is_int96
from daeda.sources.files import SourceFiles
from daeda.sources.times import times_of_groups, times_together
from daeda.storage.objects import before_the_first_day
from daeda.storage.parquet import open_parquet

_EPOCH = dt.date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (dt.date.min - _EPOCH).days, (dt.date.max - _EPOCH).days
# Before all days: what a view without a row reaches.
_NEVER = -(2**80)


@dataclass(frozen=True)
class Waiting:
    """A label that is not known yet, the first midnight at which it is, and what has to come of the view until then."""

    label: str
    view: str
    midnight: str
    needs: str

    def __str__(self) -> str:
        return f"{self.label} matures {self.midnight} ({self.needs})"


class Maturity:
    """Which days wait, by the sources as they were listed; what a view reaches is looked up where it is asked for."""

    def __init__(self, dag: Dag, files: Mapping[str, SourceFiles], data_until: Mapping[str, int]) -> None:
        """`files` are those of each Scan, by its name; `data_until` is in nanoseconds, by view, '' for all others."""
        self._files, self._data_until = files, data_until
        self._makers: dict[str, Operator] = {operator.output: operator for operator in dag.operators}
        self._operators = [operator for operator in dag.operators if isinstance(operator, LabelAggregate)]
        self._reaches: dict[str, int] = {}

    @cached_property
    def _labels(self) -> list[tuple[Label, int, Scan, str]]:
        """Each label with its horizon and history, and once more for each view that its history looks up."""
        labels = []
        for operator in self._operators:
            scans = list(self._scans(operator.inputs[1]))
            for label in operator.aggregates:
                horizon = label.horizon.nanoseconds or 0
                labels.append((label, horizon, scans[0], scans[0].view))
                # Attributes count only by what is said of them.
                labels += [
                    (label, horizon, scan, scan.view)
                    for scan in scans[1:]
                    if scan.time is not None and (scan.view in self._data_until or "" in self._data_until)
                ]
        return labels

    def _scans(self, relation: str) -> list[Scan]:
        """The Scans behind a relation, that of its rows first."""
        operator = self._makers[relation]
        if isinstance(operator, Scan):
            return [operator]
        return [scan for name in operator.inputs for scan in self._scans(name)]

    def waiting(self, day: dt.date) -> tuple[Waiting, ...]:
        """The labels for which a day waits, in the order in which they mature."""
        return self._not_mature(day, lambda label: label.immature is not None)

    def immature(self, day: dt.date) -> tuple[Waiting, ...]:
        """The labels that are NULL on a day since they are not mature, in the order in which they mature."""
        return self._not_mature(day, lambda label: label.immature is None)

    def _not_mature(self, day: dt.date, chosen: Callable[[Label], bool]) -> tuple[Waiting, ...]:
        begin = (day - _EPOCH).days * NANOSECONDS_OF_DAY
        found = []
        for label, horizon, scan, view in self._labels:
            wanted = begin + NANOSECONDS_OF_DAY + horizon
            if chosen(label) and self._reach(scan) < wanted:
                found.append((wanted, Waiting(label.name, view, _midnight(wanted), self._needs(scan, wanted))))
        return tuple(waiting for _, waiting in sorted(found, key=lambda one: one[0]))

    def _needs(self, scan: Scan, wanted: int) -> str:
        """What makes a view reach an instant: a partition, a row, or what is said of it."""
        if wanted // NANOSECONDS_OF_DAY > _LAST_DAY:
            return f"needs {scan.view} beyond the year 9999"
        if scan.view in self._data_until or "" in self._data_until:
            return f"needs data_until of {scan.view} from {_instant(wanted)} on"
        if not self._files[scan.name].partitioned:
            needed = f"needs a row of {scan.view} from {_instant(wanted)} on"
        else:
            last = -(-wanted // NANOSECONDS_OF_DAY) - 1 + scan.partition_slack
            needed = f"needs {scan.view} up to dt={_date(last)}"
        return needed if scan.created is None else f"{needed}, and one known from {_instant(wanted)} on"

    def told(self) -> tuple[str, ...]:
        """A sentence for the labels that mature together: up to which day, and what they wait for."""
        groups: dict[str, list[str]] = {}
        for label, horizon, scan, view in self._labels:
            reach = self._reach(scan)
            days = _mature_days((reach - horizon) // NANOSECONDS_OF_DAY - 1)
            groups.setdefault(f"{days} ({view} {self._reached(scan, reach)})", []).append(label.name)
        return tuple(
            f"{'label' if len(names) == 1 else 'labels'} {', '.join(dict.fromkeys(names))}: {until}"
            for until, names in groups.items()
        )

    def _reached(self, scan: Scan, reach: int) -> str:
        if reach == _NEVER:
            return "has no row"
        said = "is complete before" if scan.view in self._data_until or "" in self._data_until else "reaches"
        in_calendar = _FIRST_DAY <= reach // NANOSECONDS_OF_DAY <= _LAST_DAY
        return f"{said if in_calendar else 'reaches'} {_instant(reach)}"

    def _reach(self, scan: Scan) -> int:
        """Up to which instant the data of a Scan is complete, in nanoseconds."""
        said = self._data_until.get(scan.view, self._data_until.get(""))
        if said is not None:
            return said
        if scan.name not in self._reaches:
            self._reaches[scan.name] = _reach_of_files(scan, self._files[scan.name])
        return self._reaches[scan.name]


def _midnight(instant: int) -> str:
    """The first midnight at or behind an instant."""
    return _date(-(-instant // NANOSECONDS_OF_DAY))


def _instant(nanoseconds: int) -> str:
    """A day, and the time of it unless it is midnight."""
    days, rest = divmod(nanoseconds, NANOSECONDS_OF_DAY)
    time = dt.timedelta(microseconds=rest // 1000)
    return f"{_date(days)}{f' {str(time).zfill(8)}' if rest and _FIRST_DAY <= days <= _LAST_DAY else ''}"


def _date(days: int) -> str:
    """The date so many days after 1970-01-01; windows and times reach beyond the calendar."""
    if days < _FIRST_DAY:
        return "before the year 1"
    return str(_EPOCH + dt.timedelta(days=days)) if days <= _LAST_DAY else "after the year 9999"


def _mature_days(last: int) -> str:
    """Up to which day a label is mature, by the number of that day."""
    if last < _FIRST_DAY:
        return "not mature on any day"
    return f"mature up to {_date(min(last, _LAST_DAY))}"


@before_the_first_day()
def _reach_of_files(scan: Scan, files: SourceFiles) -> int:
    reaches = []
    if files.partitioned:
        last = max(files.partitions)
        reaches.append(((last - _EPOCH).days + 1 - scan.partition_slack) * NANOSECONDS_OF_DAY)
    else:
        assert scan.time is not None
        reaches.append(_newest(scan, scan.time, files))
    if scan.created is not None:
        reaches.append(_newest(scan, scan.created, files))
    return min(reaches)


def _newest(scan: Scan, instant: Instant, files: SourceFiles) -> int:
    """The newest instant of a column in any file, in nanoseconds; before all days where there is none."""
    by_column = scan.model_copy(update={"time": instant})
    newest = _NEVER
    for path in files.in_order:
        version = files.versions.get(path)
        with open_parquet(path, version) as file:
            int96 = is_int96(file, by_column.time_column.source)
            high = None if int96 else times_together(times_of_groups(by_column, file))[1]
        if int96:
            with open_parquet(path, version, int96="us") as in_microseconds:
                high = times_together(times_of_groups(by_column, in_microseconds))[1]
        if high is not None:
            newest = max(newest, high * (10**9 // instant.resolution.value))
    return newest
