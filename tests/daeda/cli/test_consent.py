"""On a terminal a run says what it would do, and replaces published days by consent alone."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest

from daeda.cli.consent import Declined, require_consent, told_counts
from daeda.cli.main import build_parser
from daeda.dataset.layout import Dataset, Layout
from daeda.planning.days import Action, DayPlan

LAYOUT = Layout(Path("/out/ranking"), version=2)
BUILD, SKIP, REBUILD, EXTEND = Action.BUILD, Action.SKIP, Action.REBUILD, Action.EXTEND


class Terminal(io.StringIO):
    """A terminal on which these lines are typed."""

    def isatty(self) -> bool:
        return True


def plans(**datasets: list[Action]) -> dict[Dataset, list[DayPlan]]:
    first = dt.date(2024, 1, 1)
    return {
        dataset: [  # type: ignore[misc]
            DayPlan(first + dt.timedelta(days=number), dataset, action, ("operator spine changed",))  # type: ignore[arg-type]
            for number, action in enumerate(actions)
        ]
        for dataset, actions in datasets.items()
    }


@pytest.mark.parametrize(
    ("datasets", "told"),
    [
        ({"skeleton": [SKIP, Action.KEEP, Action.WAIT, Action.BLOCKED]}, ""),
        ({"skeleton": [BUILD]}, "1 day would be built"),
        ({"skeleton": [REBUILD, EXTEND, BUILD, BUILD]}, "1 day would be replaced, 1 extended and 2 built"),
        ({"skeleton": [EXTEND, EXTEND, BUILD]}, "2 days would be extended and 1 built"),
        ({"skeleton": [EXTEND, SKIP, BUILD], "enriched": [REBUILD, REBUILD, REBUILD]},
         "2 days would be replaced and 1 extended"),
        ({"skeleton": [SKIP, BUILD], "enriched": [BUILD, BUILD]}, "2 days would be built"),
    ],
)  # fmt: skip
def test_what_is_told(datasets: dict[str, list[Action]], told: str) -> None:
    assert told_counts(plans(**datasets)) == told


@pytest.mark.parametrize(
    ("typed", "words", "asked", "declined"),
    [
        ("y\n", (), True, False),
        ("YES\n", (), True, False),
        ("\n", (), True, True),
        ("n\n", (), True, True),
        ("", (), True, True),
        ("n\n", ("--yes",), False, False),
        ("n\n", ("--on-stale", "rebuild"), False, False),
        (None, (), False, False),
    ],
)
def test_who_is_asked(
    typed: str | None,
    words: tuple[str, ...],
    asked: bool,
    declined: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = build_parser().parse_strictly(["pipeline", "train", "ranking", *words])
    monkeypatch.setattr("sys.stdin", Terminal(typed) if typed is not None else io.StringIO("n\n"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    try:
        require_consent(plans(skeleton=[EXTEND, BUILD]), arguments, LAYOUT)
        refused = ""
    except Declined as error:
        refused = str(error)
    said = capsys.readouterr()
    assert said.out == ""
    assert (said.err.endswith("replace them? [y/N] "), bool(refused)) == (asked, declined)
    assert ("1 day would be extended and 1 built\n" in said.err) == (typed is not None)
    if declined:
        assert refused == (
            "nothing was done: the published days of ranking v2 stay; keep them with --on-stale keep, or raise "
            "'version' of the service, whose days then stand beside these, below /out/ranking/v3"
        )


def test_nobody_is_asked_where_nothing_is_replaced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = build_parser().parse_strictly(["pipeline", "train", "ranking"])
    monkeypatch.setattr("sys.stdin", Terminal(""))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    require_consent(plans(skeleton=[BUILD, SKIP]), arguments, LAYOUT)
    require_consent(plans(skeleton=[SKIP]), arguments, LAYOUT)
    assert capsys.readouterr().err == "1 day would be built\n"
