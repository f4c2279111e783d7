"""A TAB in a real bash, zsh and fish."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from daeda.cli.completion import Shell, script
from daeda.cli.main import SHORT, build_parser
from tests.debian import command

_BASH = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_daeda
printf '%s\\n' "${COMPREPLY[@]}"
"""
# zsh completes in its line editor alone, so that it gets a terminal; its list of matches is the answer.
_ZSH = """\
PS1= PROMPT_EOL_MARK= LISTMAX=0; autoload -U compinit; compinit -u -D; bindkey '^I' list-choices; \
list-choices-done() {{ zle -I; print DO""NE }}; zle -N list-choices-done; bindkey '^G' list-choices-done; \
eval "$(cat {path})"; print REA""DY
"""


def _bash(path: Path, line: str, below: Path) -> list[str]:
    command_line = ["bash", "--norc", "-uc", _BASH, "bash", str(path), *line.split(" ")]
    done = subprocess.run(command_line, cwd=below, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def _zsh(path: Path, line: str, below: Path) -> list[str]:
    terminal, slave = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "200", "LINES": "500"}
    with subprocess.Popen(
        [command("zsh"), "-f", "-i"], cwd=below, env=environment, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True,
    ) as zsh:  # fmt: skip
        os.close(slave)
        os.write(terminal, _ZSH.format(path=path).encode())
        before = _read_until(terminal, "READY\r")
        assert "not found" not in before
        os.write(terminal, line.encode() + b"\t\a")
        shown = _read_until(terminal, "DONE\r")
        os.close(terminal)
        zsh.kill()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", shown).split()


def _read_until(terminal: int, mark: str) -> str:
    shown = ""
    while mark not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


def _fish(path: Path, line: str, below: Path) -> list[str]:
    asked = f"source {path}; complete -C {line!r}"
    done = subprocess.run(
        [command("fish"), "--no-config", "-c", asked], cwd=below, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [answer.split("\t")[0] for answer in done.stdout.splitlines()]


_SHELLS: dict[Shell, Callable[[Path, str, Path], list[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


@pytest.mark.parametrize("shell", _SHELLS)
@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("daeda ", {"pipeline", "audit", "train", "plan"}),
        ("daeda pi", {"pipeline"}),
        ("daeda pipeline ", {"train", "plan", "explain", "compile"}),
        ("daeda train ", {"ranking", "clicks"}),
        ("daeda train --sta", {"--start"}),
        ("daeda audit leakage r", {"ranking"}),
        ("daeda train ranking --on-stal", {"--on-stale"}),
        ("daeda train ranking --on-stale ", {"rebuild", "keep", "fail"}),
        ("daeda pipeline plan --runtime-config-path conf", {"config"}),
        ("daeda completion z", {"zsh"}),
    ],
)
def test_a_tab(shell: Shell, line: str, some: set[str], tmp_path: Path) -> None:
    below = tmp_path / "data"
    below.mkdir()
    (tmp_path / "feature_services").mkdir()
    for name in ("ranking.yaml", "clicks.yml", "notes.txt"):
        (tmp_path / "feature_services" / name).touch()
    (below / "config").mkdir()
    path = tmp_path / f"completion.{shell}"
    path.write_text(script(build_parser(), shell, SHORT), "utf-8")
    answers = {answer.removesuffix("/") for answer in _SHELLS[shell](path, line, below)}
    assert answers >= some
    assert "notes" not in answers


@pytest.mark.parametrize("shell", _SHELLS)
def test_scripts_know_every_flag(shell: Shell) -> None:
    text = script(build_parser(), shell, SHORT)
    for flag in ("--target-date", "--ray-num-cpus", "--no-preload-day-embeddings", "--quick"):
        # fish names them without dashes, and zsh puts those with a negation together.
        assert flag.removeprefix("--").removeprefix("no-") in text
    assert "None" not in text
