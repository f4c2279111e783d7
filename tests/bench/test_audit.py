"""The bench of the audit, in small, and what its recorded run found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import audit


@pytest.mark.cases
def test_both_probes_and_quick_find_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "AUDITS", {name: audit.AUDITS[name] for name in ("both probes", "quick")})
    result = tmp_path / "audit.json"
    assert audit.main(["--flights", "2000", "--days", "1", "--rows", "5", "--result", str(result)]) == 0
    found = json.loads(result.read_text(encoding="utf-8"))["audits"]
    assert all(one["values"] > 0 and one["mismatches"] == one["changes"] == 0 for one in found.values())
    assert [found[name]["rows"] > 0 for name in ("both probes", "quick")] == [True, False]


def test_a_summary_that_finds_something_is_read() -> None:
    line = (
        "leakage audit of delays, 7 days: 241,863 values recomputed, 1,002 mismatches in a, b; 461 rows rebuilt with "
        "later rows added, 3 changes in c"
    )
    figures = {"days": 7, "values": 241_863, "mismatches": 1_002, "rows": 461, "changes": 3}
    assert audit.summary(f"note: a warning\n{line}\n") == figures
    assert audit.summary("error: no day\n") == {}


def test_the_recorded_run_is_what_the_documentation_says() -> None:
    """Both probes within a minute of CPU, on the size that is recorded."""
    recorded = json.loads(audit.RESULT.read_text(encoding="utf-8"))
    assert (recorded["flights"], recorded["days"], recorded["rows_of_each_day"]) == (336_776, 7, 900)
    both = recorded["audits"]["both probes"]
    assert both["cpu_seconds"] < 60
    assert both["values"] > 200_000
    assert all(one["mismatches"] == one["changes"] == 0 for one in recorded["audits"].values())
