"""How much a run tries of what has many cases: some in `make test`, more in `make cases`, all of it in `make long`.

A module that imports `CASES`, `examples` or `by_run` is run once more by `make cases`. tests/conftest.py has the
markers `some`, `cases` and `long`, by which single tests say the same of themselves.
"""

from __future__ import annotations

import os
from typing import TypeVar

# Nothing for `make test`, "cases" for `make cases`, "1" for `make long`.
_RUN = os.environ.get("LONG_TESTS", "")
assert _RUN in ("", "cases", "1"), f"LONG_TESTS is {_RUN!r}, and can be nothing, cases or 1"

LONG = _RUN == "1"
CASES_RUN = _RUN == "cases"

_Choice = TypeVar("_Choice")


def by_run(test: _Choice, cases: _Choice, long: _Choice) -> _Choice:
    """What a test does in each of the three runs."""
    return long if LONG else cases if CASES_RUN else test


# Cases against the oracle of each of the newer kinds, and of labels, maturity, availability, alignment, offsets,
# samples and defaults, in each engine.
CASES = by_run(25, 150, 150)


def examples(number: int) -> int:
    """Examples of a property: `number` where the run is long, an eighth of it in `make cases`, else a few."""
    return by_run(max(5, number // 24), max(10, number // 8), number)
