"""The environment of every test: UTC, and no setting of daeda from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.cases.fixtures import golden, golden_days

__all__ = ["golden", "golden_days"]

SHARED = Path(__file__).parents[1].parent / "shared"

os.environ["TZ"] = "UTC"
time.tzset()
for _variable in [name for name in os.environ if name.startswith("DAEDA_")]:
    del os.environ[_variable]

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there: it lies beside the repository")

# Two processes share the tests (`-n 2`). The groups that take longest begin, so that both end at about the same time.
_LONGEST_FIRST = (
    "tests/beam_pipeline/runners",
    "tests/daeda_audit/test_leaks.py",
    "tests/faults",
    "tests/enrich/test_job.py",
    "tests/journey",
    "tests/art_feed",
    "tests/daeda_audit/test_append.py",
)
_ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups first."""
    items.sort(key=lambda item: _place(_group(item.nodeid)))


class _InGroups(LoadScopeScheduling):
    """Gives each process whole groups of tests."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _InGroups:
    """How tests are shared out."""
    return _InGroups(config, log)


def _group(nodeid: str) -> str:
    """What shares a service or trained days stays together: a folder with a conftest.py; elsewhere a file."""
    file = Path(nodeid.partition("::")[0])
    if file.is_relative_to("tests/cases"):
        return "tests/beam_pipeline/runners"  # which compares with the days of the golden cases
    return file.parent.as_posix() if (_ROOT / file.parent / "conftest.py").exists() else file.as_posix()


def _place(group: str) -> int:
    return _LONGEST_FIRST.index(group) if group in _LONGEST_FIRST else len(_LONGEST_FIRST)
