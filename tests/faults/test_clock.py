"""Where the product reads the wall clock: in names and messages, and in nothing that is published as data."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.packages import PACKAGES

REPOSITORY = Path(__file__).parents[2]
CLOCKS = {"time", "time_ns", "gmtime", "localtime", "strftime", "now", "utcnow", "today"}
# The name of a run's directory and since when it holds its days; who holds a day of an object store, since when; in
# which order days failed that are told; which day it is for a flag like `--start -7d`; when a line was logged; from
# when to when a day was at work, in its profile; when a day was told of as lineage; when a tag was made;
# and how far the clocks of this
# host, of a file system and of a server of objects are apart.
ALLOWED = {
    "daeda/dataset/publish/staging.py",
    "daeda/dataset/profile.py",
    "daeda/cli/lineage.py",
    "daeda/dataset/publish/objects.py",
    "daeda/dataset/publish/tagging.py",
    "beam_pipeline/workers/faults.py",
    "daeda/flags/days.py",
    "daeda/process/log.py",
    "daeda/doctor/file_system.py",
    "daeda/doctor/machine.py",
    "daeda/storage/client.py",
}


def test_only_names_and_messages_come_from_the_clock() -> None:
    by_file = {}
    for package in set(PACKAGES) - {"daeda_audit"}:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            named = [node for node in calls if isinstance(node, ast.Attribute) and node.attr in CLOCKS]
            clocks = [
                ast.unparse(node)
                for node in named
                if ast.unparse(node.value) in ("time", "dt.datetime", "dt.date", "datetime", "date")
            ]
            if clocks:
                by_file[str(path.relative_to(REPOSITORY))] = clocks
    assert set(by_file) <= ALLOWED, by_file
    assert "time.time" in by_file["daeda/dataset/publish/staging.py"]
