"""Days that are built although some of their labels are not mature (`immature: null`): those are NULL in every row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from daeda.compiler.immature import null_columns, without_labels
from daeda.errors import counted
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Scan
from daeda.planning.maturity import Maturity, Waiting
from daeda.sources.files import SourceFiles


@dataclass(frozen=True)
class ImmatureDay:
    """The labels that are not mature, and the operators that build the day in place of each of the others."""

    waiting: tuple[Waiting, ...]
    operators: Mapping[str, tuple[Operator, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        return tuple(dict.fromkeys(waiting.label for waiting in self.waiting))

    @property
    def all_operators(self) -> tuple[Operator, ...]:
        """All operators that build the day."""
        return tuple(operator for operators in self.operators.values() for operator in operators)

    def dag(self, skeleton: Dag) -> Dag:
        """What builds the day, of the skeleton of other days."""
        return Dag(skeleton.service, self.all_operators)

    @property
    def scans(self) -> tuple[Scan, ...]:
        """Those that read files."""
        return tuple(operator for operator in self.all_operators if isinstance(operator, Scan))


def find_immature(
    dag: Dag, files: Mapping[str, SourceFiles], data_until: Mapping[str, int], days: Iterable[dt.date]
) -> dict[dt.date, ImmatureDay]:
    """The days of the range on which a label that says `immature: null` is not mature."""
    found: dict[dt.date, ImmatureDay] = {}
    if not null_columns(dag):
        return found
    maturity = Maturity(dag, files, data_until)
    # Days that lack the same labels share what builds them.
    known: dict[frozenset[str], dict[str, tuple[Operator, ...]]] = {}
    for day in days:
        if waiting := maturity.immature(day):
            labels = frozenset(one.label for one in waiting)
            if labels not in known:
                known[labels] = without_labels(dag, labels)
            found[day] = ImmatureDay(waiting, known[labels])
    return found


def told_immature(days: Mapping[dt.date, ImmatureDay]) -> Iterator[str]:
    """A sentence for each label that is NULL on days: on which, and when the first of them matures."""
    of_label: dict[str, list[tuple[dt.date, Waiting]]] = {}
    for day, immature in sorted(days.items()):
        # Of several views that a label waits for, the last one decides.
        for waiting in {waiting.label: waiting for waiting in immature.waiting}.values():
            of_label.setdefault(waiting.label, []).append((day, waiting))
    for label, lacking in of_label.items():
        first, last = lacking[0][0], lacking[-1][0]
        shown = str(first) if first == last else f"{first} to {last}"
        matures = f"{lacking[0][1].midnight} ({lacking[0][1].needs})"
        yield f"{label} is NULL on {counted(len(lacking), 'day')} ({shown}), {first} matures {matures}"
