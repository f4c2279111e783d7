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
