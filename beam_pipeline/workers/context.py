"""What every operator of a run needs to know, and the handle that goes from one to the next."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from beam_pipeline.workers.extending import Extending
from beam_pipeline.workers.limits import DayLimits
from daeda.dataset.identity import Recipes
from daeda.dataset.layout import layout_of_run
from daeda.dataset.manifest import SampleOfDay
from daeda.dataset.publish.staging import RunStaging
from daeda.operators.operator import OperatorModel
from daeda.planning.checked import Checked, read_checked
from daeda.settings.checks import Check
from daeda.sources.files import Export
from daeda.sql.lower import Handle, SourceOperator
from daeda.storage.location import Location, below, parse_location

OperatorT = TypeVar("OperatorT", bound=OperatorModel)


@dataclass(frozen=True)
class ImmatureLabels:
    """The labels of a day that are NULL, since they are not mature; what runs in place of each operator, by name.

    `columns` are those of the output that are NULL for it, `recipes` say what the columns of such a day are made of.
    """

    labels: tuple[str, ...]
    operators: Mapping[str, tuple[SourceOperator, ...]]
    columns: frozenset[str]
    recipes: Recipes | None = None


@dataclass(frozen=True)
class RunContext:
    """The constants of a run; picklable, the same in every worker.

    `data_root` is what relative paths of Scans lie below. At most `day_workers` days are at work at once, in all
    workers together. With `profile` each day leaves a profile beside the datasets. `sources` are what Scans may read:
    without them, what lies below `data_root`. `software` holds the versions that a worker must have, by name, and
    `functions` the digest of the code behind each function of the user, by import path; their modules may lie below
    `project_root`. `exports` are the views that lie in databases.
    `days` are the days of the run, where it knows them: a file that several of them read is projected once.
    `searched` names the look-ups whose right side is searched in memory, where it fits; None are all.
    With `has_checked` the run's directory holds what was checked before the first day. With `watched` a driver reads
    there how the run has ended: a day of a run that is over then ends without an error, which an engine would take for
    a reason to try it again. `recipes` say what the columns are made of, for the manifests; `column_kinds` and `sample`
    are what manifests say of columns and rows, where it is known. With `extending` the days are extended. `version` is
    that of the service's contract, which says where below `service_dir` the days go.
    `immature` holds the days some of whose labels are not mature, and are NULL. `checks` are those of the service.

    Each operator holds the context, and Beam unpickles each operator by itself, once per bundle: equal contexts are one
    object in a process, whatever number of times they arrive.
    """

    service: str
    data_root: str
    service_dir: str
    run_dir: str
    limits: DayLimits
    day_workers: int
    rows_per_part: int = 100_000
    software: Mapping[str, str] = field(default_factory=dict)
    label_columns: tuple[str, ...] = ()
    profile: bool = False
    sources: tuple[str, ...] = ()
    functions: Mapping[str, str] = field(default_factory=dict)
    project_root: str = ""
    exports: Mapping[str, Export] = field(default_factory=dict)
    days: tuple[dt.date, ...] = ()
    searched: frozenset[str] | None = None
    has_checked: bool = False
    watched: bool = False
    recipes: Recipes | None = None
    column_kinds: Mapping[str, str] = field(default_factory=dict)
    sample: SampleOfDay | None = None
    extending: Extending | None = None
    version: int = 1
    immature: Mapping[dt.date, ImmatureLabels] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    def __reduce__(self) -> tuple[Callable[[bytes, bytes], RunContext], tuple[bytes, bytes]]:
        return _shared, self._pickled

    @cached_property
    def _pickled(self) -> tuple[bytes, bytes]:
        """The values of all fields, and behind which digest they are known."""
        values = pickle.dumps({each.name: getattr(self, each.name) for each in fields(self)}, pickle.HIGHEST_PROTOCOL)
        return sha256(values).digest(), values

    def operators_of(self, day: dt.date, operator: OperatorT) -> tuple[SourceOperator | OperatorT, ...]:
        """What runs on a day in place of an operator: mostly the operator itself."""
        of_day = self.immature.get(day)
        return (operator,) if of_day is None else of_day.operators[operator.name]

    def recipes_of(self, day: dt.date) -> Recipes | None:
        """What the columns of a day are made of; None where the run does not know it."""
        return self.immature[day].recipes if day in self.immature else self.recipes

    def immature_labels(self, day: dt.date) -> tuple[str, ...]:
        """The labels that are NULL on a day."""
        return self.immature[day].labels if day in self.immature else ()

    def immature_columns(self, day: dt.date) -> frozenset[str]:
        """The columns of the output that are NULL on a day because of such labels."""
        return self.immature[day].columns if day in self.immature else frozenset()

    @property
    def staging(self) -> RunStaging:
        """The run's staging directory."""
        run_dir = Path(self.run_dir)
        return RunStaging(layout_of_run(parse_location(self.service_dir), self.version, run_dir), run_dir)

    def checked(self) -> Checked:
        """What the run has checked before its first day: nothing in a pipeline of one's own."""
        return read_checked(self.run_dir) if self.has_checked else Checked()

    @property
    def allowed_paths(self) -> tuple[str, ...]:
        """What a day may read and write: the sources, and the run's own directory."""
        return (*(self.sources or (self.data_root,)), self.run_dir)

    def source_path(self, path: str) -> str:
        """Where a Scan's path is."""
        return below(self.data_root, path)


_CONTEXTS: WeakValueDictionary[bytes, RunContext] = WeakValueDictionary()


def _shared(digest: bytes, values: bytes) -> RunContext:
    """The context of a pickle: the one that this process has already, or a new one."""
    known = _CONTEXTS.get(digest)
    # Two threads may make one each: both are right, and the first that is kept is that of all later ones.
    return known if known is not None else _CONTEXTS.setdefault(digest, RunContext(**pickle.loads(values)))


@dataclass(frozen=True)
class DayHandle:
    """One day between two operators: which relations exist so far, and never a row of them.

    `attempt` is empty until the first operator begins the day; a retry begins with a new one. `parts` are the paths of
    the published files, in the order of their rows; they are there after a Sink, where `relations` is empty again.
    A day that is `given_up` is not extended, and has no parts: nothing more is done for it in its chain.
    """

    day: dt.date
    attempt: str = ""
    relations: Mapping[str, Handle] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    given_up: bool = False

    def with_relation(self, name: str, handle: Handle) -> DayHandle:
        """The same day with one more relation."""
        return replace(self, relations={**self.relations, name: handle})

    def as_published(self, parts: Iterable[Location]) -> DayHandle:
        """The same day behind its Sink: the intermediates are gone, the parts are there."""
        return replace(self, relations={}, parts=tuple(str(path) for path in parts))

    def as_given_up(self) -> DayHandle:
        """The same day, which another chain builds."""
        return replace(self, relations={}, given_up=True)
