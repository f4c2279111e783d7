"""The environment of every test: UTC, nothing of daeda or Ray from outside; what stays together, and what is slow."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from daeda.process import interrupts, subprocesses
from tests import budget, warm_halves
from tests.beam_pipeline.runners.services import job_service, pool, pool_log, services, wheel, worker_python
from tests.browser import browser
from tests.cases.fixtures import art_feed, direct_days, golden, golden_days, golden_once, projects

__all__ = [
    "art_feed", "browser", "direct_days", "golden", "golden_days", "golden_once", "job_service", "pool", "pool_log",
    "projects", "services", "wheel", "worker_python",
]  # fmt: skip

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"

os.environ["TZ"] = "UTC"
time.tzset()
for _variable in [name for name in os.environ if name.startswith(("DAEDA_", "RAY_"))]:
    del os.environ[_variable]

# Whether a test is healthy in these three depends on what is drawn, and on what else the machine does.
settings.register_profile(
    "daeda",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.load_profile("daeda")

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="there is no folder `shared` beside the repository")

# Four processes share the tests (`-n 4`). What takes longest begins, so that all end at about the same time; what is
# not named takes less than half a minute.
_LONGEST_FIRST = (
    "tests/storage",
    "tests/beam_pipeline/runners",
    "tests/engines/test_ray_cluster.py",
    "tests/faults",
    "tests/enrich/test_job.py",
    "tests/journey",
    "tests/beam_pipeline/history/test_ordered_blocks.py",
    "tests/daeda_report",
    "tests/daeda_python",
    "tests/daeda_audit/test_leaks.py",
    "tests/daeda/functions/test_supervised.py",
    "tests/art_feed",
    "tests/enrich/ray",
    "tests/faults/test_ray_kills.py",
    "tests/daeda_preview/test_explained.py",
    "tests/determinism/test_environments.py",
    "tests/retail/test_retail.py",
    "tests/daeda_audit/rules/test_attributes.py",
    "tests/bench/test_audit.py",
    "tests/docs/test_getting_started.py",
    "tests/beam_pipeline/history/test_sorted_partitions.py",
    "tests/beam_pipeline/history/test_projected_partitions.py",
    "tests/bench/test_memcap.py",
    "tests/hostile/test_supply.py",
    "tests/daeda/cli/test_fuzz.py",
    "tests/daeda/cli/test_bad_input.py",
)
_PROCESS_OF: dict[str, str] = {}
# What a module takes of tests/budget.py that tries more in `make cases`; and what its text has if it is run there.
_DRAWN = [(name, getattr(budget, name)) for name in ("CASES", "examples", "by_run")]
_HAS_CASES = re.compile(r"pytest\.mark\.(cases|some)\b|\btests\.budget\b")
# Folders and modules whose tests start Ray, servers, job services or whole runs: `make quick` leaves them out. A single
# test elsewhere says so itself, by the marker `slow`.
_SLOW = (
    "tests/art_feed",
    "tests/beam_pipeline/day/test_broken_files.py",
    "tests/beam_pipeline/day/test_every_kind.py",
    "tests/beam_pipeline/day/test_hard_cases.py",
    "tests/beam_pipeline/day/test_input_files.py",
    "tests/beam_pipeline/day/test_rolling.py",
    "tests/beam_pipeline/history",
    "tests/beam_pipeline/runners",
    "tests/beam_pipeline/test_attempts.py",
    "tests/beam_pipeline/windows/numpy_engine/test_aggregate.py",
    "tests/beam_pipeline/windows/numpy_engine/test_heavy_user.py",
    "tests/beam_pipeline/windows/numpy_engine/test_lists.py",
    "tests/beam_pipeline/windows/polars_engine/test_blocks.py",
    "tests/beam_pipeline/workers",
    "tests/bench",
    "tests/cases",
    "tests/daeda/cli/test_bad_input.py",
    "tests/daeda/cli/test_damaged_days.py",
    "tests/daeda/cli/test_describe.py",
    "tests/daeda/cli/test_empty_paths.py",
    "tests/daeda/cli/test_fuzz.py",
    "tests/daeda/cli/test_printed.py",
    "tests/daeda/cli/test_profile.py",
    "tests/daeda/compiler/test_pipeline_file.py",
    "tests/daeda/compiler/test_unused.py",
    "tests/daeda/functions",
    "tests/daeda/planning/test_emptiness.py",
    "tests/daeda/planning/test_preflight.py",
    "tests/daeda/planning/test_remarks.py",
    "tests/daeda/sql/test_locked.py",
    "tests/daeda/sql/test_point_in_time_sql.py",
    "tests/daeda/sql/test_scan_sql.py",
    "tests/daeda_audit/probes/test_later_rows.py",
    "tests/daeda_audit/rules/test_attributes.py",
    "tests/daeda_audit/test_command.py",
    "tests/daeda_audit/test_leaks.py",
    "tests/daeda_audit/test_stale.py",
    "tests/daeda_audit/published/test_stores.py",
    "tests/determinism",
    "tests/docs/test_getting_started.py",
    "tests/engines",
    "tests/enrich/ray",
    "tests/faults/test_ray_kills.py",
    "tests/enrich/test_damage.py",
    "tests/enrich/test_job.py",
    "tests/enrich/test_preflight.py",
    "tests/example",
    "tests/engines/test_ray_cluster.py",
    "tests/faults",
    "tests/hostile",
    "tests/journey",
    "tests/retail",
    "tests/storage",
)


def pytest_configure(config: pytest.Config) -> None:
    """The markers that say what a run costs."""
    config.addinivalue_line("markers", "slow: starts Ray, a server, a job service or a whole run; not in `make quick`")
    config.addinivalue_line("markers", "cases: in `make cases` and `make long` alone")
    config.addinivalue_line("markers", "long: in `make long` alone")
    config.addinivalue_line(
        "markers", "some(test, cases=all): of its cases so many, evenly spaced, in `make test` and in `make cases`"
    )
    config.addinivalue_line("markers", "torch: needs PyTorch, which `make torch` installs; skipped without it")


@pytest.fixture(autouse=True, scope="session")
def _skeletons_of_drivers_begin_behind_their_imports() -> Iterator[None]:
    """In `make test`; the other runs start them as users do."""
    with pytest.MonkeyPatch.context() as patch:
        if not budget.LONG and not budget.CASES_RUN:
            starting = SimpleNamespace(Popen=warm_halves.popen, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL)
            patch.setattr(subprocesses, "subprocess", starting)
        yield


@pytest.fixture(autouse=True)
def _no_signal_of_another_test() -> None:
    """A command that a test has interrupted in this process leaves its signal for whoever asks next."""
    interrupts.forget()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make quick` does not even import what is slow, and `make cases` not what has no more cases than `make test`."""
    if budget.CASES_RUN and collection_path.name.startswith("test_"):
        return None if _HAS_CASES.search(collection_path.read_text()) else True
    slow = collection_path.relative_to(REPOSITORY).as_posix().startswith(_SLOW)
    return True if slow and config.option.markexpr == "not slow" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What the run leaves out; groups that stay in one process, the longest first; and what is slow."""
    if not budget.LONG and len(items) > 1:
        left_out = _left_out(items)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]
    for item in items:
        if item.nodeid.startswith(_SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: _rank(_group(item.nodeid)))


class _InGroups(LoadScopeScheduling):
    """Gives each process whole groups of tests. xdist's own groups rename the tests, which pytest 9 ignores."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _InGroups:
    """How tests are shared out."""
    return _InGroups(config, log)


def pytest_runtest_logreport(report: Any) -> None:
    """A group that is divided makes its servers and trained days in each process anew, and nobody would see it."""
    if process := getattr(report, "node", None):
        group = _group(report.nodeid)
        assert _PROCESS_OF.setdefault(group, process.gateway.id) == process.gateway.id, f"{group} is divided"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each reason for which tests were skipped."""
    skipped: dict[str, set[str]] = defaultdict(set)
    number: dict[str, int] = defaultdict(int)
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[-1]).removeprefix("Skipped: ")
        skipped[reason].add(report.nodeid.partition("::")[0])
        number[reason] += 1
    for reason, files in sorted(skipped.items()):
        terminalreporter.write_line(f"SKIPPED {number[reason]} ({', '.join(sorted(files))}): {reason}")


def _left_out(items: Sequence[pytest.Item]) -> set[str]:
    """Tests of another run, and the cases of others beyond those that this run has."""
    left_out = {item.nodeid for item in items if not _is_of_this_run(item)}
    cases: dict[str, list[str]] = defaultdict(list)
    number: dict[str, int | None] = {}
    for item in items:
        if marker := item.get_closest_marker("some"):
            test = item.nodeid.partition("[")[0]
            cases[test].append(item.nodeid)
            number[test] = budget.by_run(marker.args[0], marker.kwargs.get("cases"), None)
    for test, all_cases in cases.items():
        kept = min(number[test] or len(all_cases), len(all_cases))
        left_out |= set(all_cases) - {all_cases[index * len(all_cases) // kept] for index in range(kept)}
    return left_out


def _is_of_this_run(item: pytest.Item) -> bool:
    if item.get_closest_marker("long"):
        return budget.LONG
    if item.get_closest_marker("cases"):
        return budget.LONG or budget.CASES_RUN
    more = item.get_closest_marker("some") or any(vars(item.module).get(name) is there for name, there in _DRAWN)
    return bool(more) or not budget.CASES_RUN


def _group(nodeid: str) -> str:
    """What shares a service or trained days stays together: a folder with a conftest.py; elsewhere a file."""
    file = Path(nodeid.partition("::")[0])
    if file.name.startswith("test_ray"):
        return file.as_posix()
    if file.is_relative_to("tests/cases") or file.is_relative_to("tests/engines"):
        # Which compares with the days of the golden cases, too, and has the pool of workers.
        return "tests/beam_pipeline/runners"
    return file.parent.as_posix() if (REPOSITORY / file.parent / "conftest.py").exists() else file.as_posix()


def _rank(group: str) -> int:
    return _LONGEST_FIRST.index(group) if group in _LONGEST_FIRST else len(_LONGEST_FIRST)
