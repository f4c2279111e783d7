"""Which of the runs tries what: `make test` every behaviour once, `make cases` the cases that it leaves out."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import budget, conftest

TESTS = Path(__file__).parent


def item(name: str, marker: pytest.MarkDecorator | None = None, **of_the_module: Any) -> Any:
    def closest(wanted: str) -> pytest.Mark | None:
        return marker.mark if marker and marker.name == wanted else None

    return SimpleNamespace(nodeid=name, get_closest_marker=closest, module=SimpleNamespace(**of_the_module))


ITEMS = [
    item("plain"), item("drawn", CASES=budget.CASES), item("deeper", pytest.mark.cases), item("long", pytest.mark.long),
    *(item(f"few[{number}]", pytest.mark.some(1)) for number in range(4)),
    *(item(f"dear[{number}]", pytest.mark.some(1, cases=2)) for number in range(4)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("test", "plain drawn few[0] dear[0]"),
        ("cases", "drawn deeper few[0] few[1] few[2] few[3] dear[0] dear[2]"),
        ("long", "plain drawn deeper long few[0] few[1] few[2] few[3] dear[0] dear[1] dear[2] dear[3]"),
    ],
)
def test_what_a_run_has(run: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "CASES_RUN", run == "cases")
    monkeypatch.setattr(budget, "LONG", run == "long")
    left_out = conftest._left_out(ITEMS)
    assert [one.nodeid for one in ITEMS if one.nodeid not in left_out] == expected.split()


def test_only_modules_of_tests_draw_how_many_they_try() -> None:
    """Others are no reason for `make cases` to run the tests that import them."""
    drawing = re.compile(r"from tests\.budget import .*\b(CASES|examples|by_run)\b")
    found = {path.name for path in TESTS.rglob("*.py") if drawing.search(path.read_text())}
    assert {name for name in found if not name.startswith("test_")} == set()
    assert len(found) > 20
