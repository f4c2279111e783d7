"""What commands print on terminals of 80 and 200 columns, into a pipe, with NO_COLOR, and where TERM is dumb."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from daeda.cli.main import main
from daeda_preview.command import main as preview
from tests.projects import TinyProject, moment

Command = Callable[[Sequence[str]], int]
COMMANDS: dict[str, tuple[Command, tuple[str, ...]]] = {
    "plan": (main, ("plan",)),
    "check": (main, ("check",)),
    "catalog": (main, ("catalog",)),
    "explain": (main, ("explain",)),
    "preview": (preview, ("ranking",)),
    "doctor": (main, ("doctor",)),
}
# What is too long for 80 columns, each in its own way; of the others a terminal breaks the lines.
FITTED = ("catalog", "explain", "preview", "doctor")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A colour of the text, and not bold or italic.
PAINT = re.compile(r"\x1b\[(?:[0-9]+;)*3[0-7](?:;[0-9]+)*m")


class Terminal(io.StringIO):
    """A stdout that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with days to build, one whose files are not there, and rows beside each other."""
    directory = tmp_path_factory.mktemp("widths")
    project = TinyProject(directory).without("item_vector")
    project.data["events"] = [
        *project.data["events"],
        *((1, 12, moment(f"02 1{hour}:00"), 6.0) for hour in range(3, 8)),
    ]
    project.write().write_data()
    project.runtime["feed_end"] = "2024-01-04"
    project.write()
    return directory


@pytest.fixture
def printed(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command prints on stdout in a terminal, or in a pipe."""
    monkeypatch.chdir(root)
    monkeypatch.setattr("daeda.cli.doctor.software_probes", lambda needed: [])
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def run(name: str, *, columns: int = 80, pipe: bool = False, **environ: str) -> str:
        for variable, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), **environ}.items():
            monkeypatch.setenv(variable, value)
        stdout = io.StringIO() if pipe else Terminal()
        monkeypatch.setattr(sys, "stdout", stdout)
        command, words = COMMANDS[name]
        assert command(words) in (0, 2)
        for variable in environ:
            monkeypatch.delenv(variable)
        # Room and time of the host are not the same twice.
        return re.sub(r"[0-9.]+ [GM]iB|\d\d:\d\d:\d\d", "?", stdout.getvalue())

    return run


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in COLOUR.sub("", text).splitlines()]


def _words(text: str) -> str:
    """The words alone, however lines are broken and tables are drawn."""
    return "".join(re.sub(r"[\s━─┃│┏┓┗┛┡┩╇┳└┘┴┬┼├┤]+", "", COLOUR.sub("", text)))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_of_80_columns_is_not_exceeded(name: str, printed: Callable[..., str]) -> None:
    narrow = printed(name)
    table = [line for line in _lines(narrow) if name in FITTED or line[:1] in tuple("┏┃┡│└")]
    assert max(map(len, table), default=0) <= 80


@pytest.mark.parametrize("name", ["catalog", "explain", "preview"])
def test_a_terminal_of_200_columns_is_used(name: str, printed: Callable[..., str]) -> None:
    wide, narrow = printed(name, columns=200), printed(name)
    assert 80 < max(map(len, _lines(wide))) <= 200
    assert len(_lines(wide)) < len(_lines(narrow))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_gets_what_a_terminal_shows_without_a_colour(name: str, printed: Callable[..., str]) -> None:
    terminal, pipe = printed(name), printed(name, pipe=True)
    assert "\x1b" not in pipe
    if name == "explain":
        # Each line is whole there, for who looks through them.
        assert _words(pipe) == _words(terminal)
        assert max(map(len, _lines(pipe))) > 80
    else:
        assert _lines(pipe) == _lines(terminal)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_color_and_a_dumb_terminal_change_nothing_but_colours(name: str, printed: Callable[..., str]) -> None:
    terminal = printed(name)
    bare, dumb = printed(name, NO_COLOR="1"), printed(name, TERM="dumb")
    assert not PAINT.search(bare)
    assert "\x1b" not in dumb
    assert _words(bare) == _words(dumb) == _words(terminal)


@pytest.mark.parametrize("name", ["plan", "doctor"])
def test_colour_means_state(name: str, printed: Callable[..., str]) -> None:
    painted = {COLOUR.sub("", part).strip() for part in re.findall(r"\x1b\[3[0-7]m[^\x1b]*", printed(name))}
    assert painted <= {"build", "blocked", "ok", "warning", "wrong"}
    assert painted


def test_explain_breaks_a_line_behind_its_begin(printed: Callable[..., str]) -> None:
    lines = _lines(printed("explain"))
    at = next(number for number, line in enumerate(lines) if line.lstrip().startswith("per user_id"))
    indent = len(lines[at]) - len(lines[at].lstrip())
    assert len(lines[at + 1]) - len(lines[at + 1].lstrip()) == indent + 2
