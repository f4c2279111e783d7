"""Questions on a terminal: a person at a pseudo terminal sees what was found, and answers by number or by name."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.daeda.init_project import tables


def at_a_terminal(words: list[str], here: Path, answers: list[str]) -> tuple[int, str]:
    """Run the command at a terminal of 80 columns, and type an answer at each prompt; its exit code and the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "daeda", *words], cwd=here, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
        env={**os.environ, "COLUMNS": "80", "TERM": "dumb"},
    )  # fmt: skip
    os.close(theirs)
    screen, seen, until = "", 0, time.monotonic() + 240
    while time.monotonic() < until:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                screen += os.read(ours, 65_536).decode()
            except OSError:
                break
        if screen.endswith("[1] ") and len(screen) > seen:
            seen = len(screen)
            typed = answers.pop(0) if answers else None
            os.write(ours, b"\x04" if typed is None else f"{typed}\n".encode())
    os.close(ours)
    return process.wait(30), screen.replace("\r\n", "\n")


def test_a_person_is_asked_and_what_is_answered_is_written(tmp_path: Path) -> None:
    tables.orders(tmp_path)
    words = ["init", "made", "--from", "orders.csv", "customers.csv", "--no-build"]
    # The table, the time, its zone (a wrong one first), whose it is, when it is known, and what is predicted.
    code, screen = at_a_terminal(words, tmp_path, ["", "", "Mars", "Europe/Berlin", "", "1h", "total"])
    assert code == 0, screen
    asked = re.findall(r"^\S.*\?.*$", screen, re.MULTILINE)
    assert asked == [
        "What is an event? Each becomes a row of the training set.",
        "When did a row of orders happen?",
        "In which time zone is ordered_at? It names none.",
        "Whose events are they?",
        "When is a row of orders known?",
        "What do you predict?",
    ]
    assert "  'Mars' is no time zone: write UTC, or a name like Europe/Berlin\n" in screen
    assert max(map(len, screen.splitlines())) <= 80
    view = yaml.safe_load((tmp_path / "made/feature_views/orders.yaml").read_text())
    assert view["source"]["available"] == {"after": "1h"}
    service = yaml.safe_load((tmp_path / "made/feature_services/orders_training.yaml").read_text())
    assert [column for column in service["columns"] if column["name"] == "label_total"] == [
        {"name": "label_total", "kind": "derived", "dtype": "double", "expression": "total", "label": True}
    ]
    assert {"timezone": "Europe/Berlin"}.items() <= service["columns"][-1].items() or any(
        column.get("timezone") == "Europe/Berlin" for column in service["columns"]
    )


def test_nobody_who_answers_no_more_gets_half_a_project(tmp_path: Path) -> None:
    tables.flights(tmp_path)
    code, screen = at_a_terminal(["init", "made", "--from", "flights.csv", "weather.csv"], tmp_path, [""])
    assert code == 2
    assert (
        "error: nobody answers any more, and nothing was written: run again, or give --yes or --answers FILE" in screen
    )
    assert not (tmp_path / "made").exists()


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    tables.sensors(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "daeda", "init", ".", "--no-build"], cwd=tmp_path, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ".\n")
    assert "?" not in done.stderr
    assert (tmp_path / "config/training/runtime.yaml").exists()
