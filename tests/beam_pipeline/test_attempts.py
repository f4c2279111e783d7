"""Attempts at days as an engine makes them that starts a job again: each operator over each day, from the beginning."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from beam_pipeline.pipeline import SkeletonRun, run_context
from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.transforms import _RunOperator
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.faults import faults_of
from beam_pipeline.workers.registry import forget_run, register_run
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Layout
from daeda.dataset.publish import publish
from daeda.dataset.publish.claims import claim_days, holds
from daeda.dataset.publish.staging import open_staging
from daeda.errors import DayError, Interrupted, TransientDayError
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources
from daeda.sql.lower import SourceOperator
from tests.projects import TinyProject


@dataclass(frozen=True)
class Started:
    """A run on a portable runner whose driver, and whose one worker, is this process."""

    context: RunContext
    slots: SharedDaySlots
    operators: Sequence[SourceOperator]
    days: Sequence[dt.date]

    def attempt(self, day: dt.date, operators: Sequence[SourceOperator] = ()) -> DayHandle | None:
        """The handle behind the last operator; None where the day ended before it, without an error."""
        handle = DayHandle(day)
        for operator in operators or self.operators:
            handles = list(_RunOperator(operator, self.context).process(handle))
            if not handles:
                return None
            (handle,) = handles
        return handle

    @property
    def published(self) -> dict[str, int]:
        """The file of each published manifest: another one after each publication."""
        days = Path(self.context.service_dir).glob("skeleton/dt=*/_manifest.json")
        return {path.parent.name: path.stat().st_ino for path in days}


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    return TinyProject(tmp_path / "project")


@pytest.fixture
def start(project: TinyProject) -> Iterator[Callable[[], Started]]:
    """Begin the run of the project, as it is by then."""
    with ExitStack() as stack:

        def begin() -> Started:
            project.write().write_data()
            loaded = load_project(ProjectPaths(project.runtime_path))
            dag = compile_runnable(loaded).skeleton()
            sources = find_sources(loaded, dag)
            checked = check_sources(loaded, dag, sources, loaded.runtime.days)
            runner = BeamRunner("PortableRunner", ("--environment_type", "LOOPBACK"))
            run = SkeletonRun(loaded, dag, sources, checked, loaded.runtime.days, runner, 60.0)
            staging = stack.enter_context(open_staging(Layout(loaded.service_dir)))
            claim_days(staging, [("skeleton", day) for day in run.days], "fail", tell=print)
            context, slots = run_context(run, staging), SharedDaySlots(staging.directory, 2).open()
            register_run(context, slots)
            stack.callback(forget_run, context)
            return Started(context, slots, run.operators, run.days)

        yield begin


def test_a_day_that_the_run_has_published_is_not_built_again(start: Callable[[], Started]) -> None:
    run = start()
    first = [run.attempt(day) for day in run.days]
    before = run.published
    assert len(before) == len(run.days) == 2
    again = [run.attempt(day) for day in run.days]
    assert [handle and handle.parts for handle in again] == [handle and handle.parts for handle in first]
    assert all(handle and Path(part).is_file() for handle in again for part in handle.parts)
    assert run.published == before
    assert not list(run.context.staging.work.iterdir())
    assert run.slots.occupied == 0


def test_a_day_whose_worker_was_lost_behind_the_move_is_not_built_again(
    start: Callable[[], Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    day = run.days[0]
    with monkeypatch.context() as lost:

        def killed(*_words: object) -> None:
            raise KeyboardInterrupt

        lost.setattr(publish, "release", killed)
        with pytest.raises(DayError):
            run.attempt(day)
    before = run.published
    assert holds(run.context.staging, "skeleton", day)
    handle = run.attempt(day)
    assert handle is not None
    assert handle.parts
    assert run.published == before
    assert not holds(run.context.staging, "skeleton", day)


def test_a_published_day_is_refused_to_other_operators(start: Callable[[], Started]) -> None:
    run = start()
    day = run.days[0]
    run.attempt(day)
    *chain, last = run.operators
    with pytest.raises(DayError) as failure:
        run.attempt(day, [*chain, last.model_copy(update={"not_null": ()})])
    assert str(failure.value) == (
        f"day {day}, operator '{last.name}': the run has published this day already, by other operators: give each "
        "chain of operators a run of its own"
    )


def test_a_day_that_fails_twice_in_the_same_way_ends_the_run_without_an_error(
    project: TinyProject, start: Callable[[], Started]
) -> None:
    project.column("price")["nullable"] = False
    run = start()
    day, other = run.days
    with pytest.raises(DayError):
        run.attempt(day)
    assert run.slots.cause is None
    assert run.attempt(day) is None
    assert str(run.slots.cause).startswith(f"day {day}, operator 'sink': column 'price' must not be NULL")
    # And so end all others, and all attempts that follow.
    assert run.attempt(other) is None
    assert run.attempt(day) is None
    assert run.slots.occupied == 0
    assert len(faults_of(run.context.staging.faults)) == 2


def test_a_fault_that_passes_is_raised_and_the_day_is_built_by_the_next_attempt(
    start: Callable[[], Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    day = run.days[0]

    def silent(*_words: object) -> None:
        raise TimeoutError(110, "Connection timed out")

    with monkeypatch.context() as network:
        network.setattr("beam_pipeline.day.sink.prepare_day", silent)
        for _ in range(3):
            with pytest.raises(TransientDayError, match="Connection timed out"):
                run.attempt(day)
    assert run.attempt(day) is not None
    assert run.slots.cause is None


def test_days_of_a_run_that_is_over_end_without_an_error(start: Callable[[], Started]) -> None:
    run = start()
    run.slots.stop(Interrupted("interrupted by SIGINT"))
    assert [run.attempt(day) for day in run.days] == [None, None]
    assert run.published == {}


def test_an_attempt_behind_the_end_of_the_run_ends_without_an_error(start: Callable[[], Started]) -> None:
    """By a worker that never joined it while it was there, as one that the engine starts anew."""
    run = start()
    gone = replace(run.context, run_dir=f"{run.context.run_dir}-of-before")
    assert replace(run, context=gone).attempt(run.days[0]) is None


def test_a_run_that_nobody_watches_raises_all_the_same(start: Callable[[], Started]) -> None:
    """A pipeline of one's own goes on with the days, and must not go on without them."""
    run = start()
    alone = replace(run, context=replace(run.context, watched=False))
    run.slots.stop(Interrupted("interrupted by SIGINT"))
    with pytest.raises(DayError, match="the run is stopping"):
        alone.attempt(run.days[0])
