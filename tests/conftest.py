"""The environment of every test: UTC, and no setting of daeda from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"

os.environ["TZ"] = "UTC"
time.tzset()
for _variable in [name for name in os.environ if name.startswith("DAEDA_")]:
    del os.environ[_variable]

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there: it lies beside the repository")

# Two processes share the tests (`-n 2`). The groups that take longest begin, so that both end at about the same time.
_LONGEST_FIRST = (
    "tests/portable",
    "tests/audit/test_leaks.py",
    "tests/faults",
    "tests/enrich/test_job.py",
    "tests/journey",
    "tests/art_feed",
    "tests/audit/test_append.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares a service or trained days: a folder with a conftest.py, elsewhere a file."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: _place(_group(item)))


def _group(item: pytest.Item) -> str:
    path = item.path.relative_to(Path(__file__).parents[1])
    shared = path.parent if (item.path.parent / "conftest.py").exists() and path.parent.name != "tests" else path
    return shared.as_posix()


def _place(group: str) -> int:
    return _LONGEST_FIRST.index(group) if group in _LONGEST_FIRST else len(_LONGEST_FIRST)
