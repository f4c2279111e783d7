"""No test sets a clock of the whole process."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
_WHOLE_PROCESS = re.compile(r"""setattr\((?:["'][\w.]+\.time\.\w+["']|(?:\w+\.)*time, ["'])""")


def test_a_clock_is_set_for_one_module() -> None:
    of_all = [
        f"{path.relative_to(TESTS)}: {found[0]}"
        for path in sorted(TESTS.rglob("*.py"))
        for found in _WHOLE_PROCESS.finditer(path.read_text())
    ]
    assert of_all == []
    for clock in ('time, "time"', 'a.time, "sleep"', '"a.b.time.sleep"'):
        assert _WHOLE_PROCESS.search(f"patch.setattr({clock}, now)")
