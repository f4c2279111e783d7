"""How much of what is generated a run tries: an eighth in `make test`, all of it in `make long`."""

from __future__ import annotations

import os

# Cases against the oracle that every run tries, of each of the newer kinds, and of labels, maturity, availability,
# alignment, offsets, samples and defaults, in each engine.
CASES = 150

LONG = os.environ.get("LONG_TESTS") == "1"


def examples(number: int) -> int:
    """Examples of a property: `number`, or an eighth of it where the run is not long."""
    return number if LONG else max(10, number // 8)
