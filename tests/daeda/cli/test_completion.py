"""Completion in a real bash, driven as a TAB drives it; the scripts of zsh and fish are held to the parsers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from daeda.cli.completion import script
from daeda.cli.main import SHORT, build_parser

ASK = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_daeda
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("daeda ", {"pipeline", "audit", "train", "plan", "--version"}),
        ("daeda pi", {"pipeline"}),
        ("daeda pipeline ", {"train", "plan", "explain", "compile"}),
        ("daeda train ", {"ranking", "clicks", "--start", "--on-stale"}),
        ("daeda audit leakage r", {"ranking"}),
        ("daeda train ranking --on-sta", {"--on-stale"}),
        ("daeda train ranking --on-stale ", {"rebuild", "keep", "fail"}),
        ("daeda pipeline plan --runtime-config-path conf", {"config"}),
        ("daeda completion z", {"zsh"}),
        ("daeda pipeline nothing", set()),
    ],
)
def test_a_tab_in_bash(line: str, some: set[str], tmp_path: Path) -> None:
    below = tmp_path / "data"
    below.mkdir()
    (tmp_path / "feature_services").mkdir()
    for name in ("ranking.yaml", "clicks.yml"):
        (tmp_path / "feature_services" / name).touch()
    (below / "config").mkdir()
    path = tmp_path / "completion.bash"
    path.write_text(script(build_parser(), "bash", SHORT), "utf-8")
    words = line.split(" ")
    command = ["bash", "--norc", "-uc", ASK, "bash", str(path), *words]
    done = subprocess.run(command, cwd=below, capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert done.stderr == ""
    assert found >= some
    assert all(word.startswith(words[-1]) for word in found)
    if not some:
        assert found == set()
    elif words[-1] or words[-2].startswith("--"):
        assert found == some


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_know_every_flag(shell: str) -> None:
    text = script(build_parser(), "zsh" if shell == "zsh" else "fish", SHORT)
    for flag in ("--target-date", "--ray-num-cpus", "--no-preload-day-embeddings", "--quick"):
        assert (flag if shell == "zsh" else f"-l {flag.removeprefix('--')} ") in text
    assert text.count("\n") < 400
    assert "None" not in text
