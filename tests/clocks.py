"""Clocks that one module of the product reads otherwise than the rest of the process.

The module `time` belongs to every thread: one that a test before has left behind for a moment would read, and use up,
what the clock of this test is to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


def set_clock(patch: pytest.MonkeyPatch, module: ModuleType | str, **functions: Callable[..., Any]) -> None:
    """Let the module, or the one of that name, have these functions of `time` for its own."""
    clock = SimpleNamespace(**{**vars(time), **functions})
    if isinstance(module, str):
        patch.setattr(f"{module}.time", clock)
    else:
        patch.setattr(module, "time", clock)
