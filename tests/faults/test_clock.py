"""Where the product reads the wall clock: in names and messages, and in nothing that is published as data."""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CLOCKS = {"time", "time_ns", "gmtime", "localtime", "strftime", "now", "utcnow", "today"}
# The name of a run's directory and since when it holds its days; who holds a day of an object store, since when.
ALLOWED = {"daeda/dataset/publish/staging.py", "daeda/dataset/publish/lease.py", "daeda/dataset/publish/objects.py"}


def test_only_names_and_messages_come_from_the_clock() -> None:
    found = {}
    for package in ("daeda", "beam_pipeline", "enrich"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            calls = [one.func for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
            named = [one for one in calls if isinstance(one, ast.Attribute) and one.attr in CLOCKS]
            clocks = [
                ast.unparse(one)
                for one in named
                if ast.unparse(one.value) in ("time", "dt.datetime", "dt.date", "datetime", "date")
            ]
            if clocks:
                found[str(path.relative_to(REPOSITORY))] = clocks
    assert set(found) <= ALLOWED, found
    assert "time.time" in found["daeda/dataset/publish/staging.py"]
