"""Write explain.txt, skeleton.sql and rows.txt of golden cases anew, deliberately.

    python -m tests.cases.write NAME ...      then read the difference, and check the rows by hand

Without a name, what exists is listed. Rows are those of DirectRunner and the duckdb engine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.cases.case import EXPLAIN, ROWS, SQL, golden_cases
from tests.cases.jobs import Entry, run_job


def main(names: list[str]) -> int:
    cases = {case.name: case for case in golden_cases()}
    unknown = [name for name in names if name not in cases]
    if unknown or not names:
        print(f"name some of: {', '.join(cases)}", file=sys.stderr)
        return 2
    os.environ["TZ"] = "UTC"
    time.tzset()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        entries = [Entry(name, cases[name].make(root / "projects" / name), cases[name].service) for name in names]
        run_job(entries, root / "output", ("--runner", "DirectRunner"))
        for name in names:
            case = cases[name]
            for what, text in (
                (EXPLAIN, case.explain()),
                (SQL, case.sql()),
                (ROWS, case.rows(root / "output" / name / case.service)),
            ):
                (case.folder / what).write_text(text, encoding="utf-8")
                print(case.folder / what)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
