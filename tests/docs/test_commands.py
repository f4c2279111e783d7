"""Commands of the pages that are not walked are commands: each word is read by what would read it."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from beam_pipeline import command as beam_pipeline
from beam_pipeline.runners.choice import choose_runner
from daeda.cli.main import SHORT, build_parser
from daeda.flags.days import joined
from tests.docs.walking import ROOT, blocks
from tests.engines.cache import PRISM, PRISM_VERSION

PAGES = (
    "README.md", "examples/complete_journey/README.md", "examples/dagster_days/README.md", "tests/cases/README.md",
    "docs/containers.md", "docs/engines/flink.md", "docs/engines/prism.md", "docs/engines/ray.md",
    "docs/init.md", "docs/ptransforms.md", "docs/resources.md", "docs/runners.md",
)  # fmt: skip


def parsed(words: str) -> argparse.Namespace:
    """The words of a command behind `daeda`, as the command line reads them."""
    in_full = [*(["pipeline"] if words.split()[0] in SHORT else []), *shlex.split(words)]
    return build_parser().parse_strictly(joined(in_full, ("--start", "--end")))


def daeda(words: list[str]) -> None:
    """A command, with flags of Beam behind `--`, which Beam knows."""
    ours, _, of_beam = " ".join(words).partition(" -- ")
    parsed(ours)
    if of_beam:
        choose_runner(shlex.split(of_beam))


def python(words: list[str]) -> None:
    """A script or a module that is there; of a module of somebody else its source has the flags."""
    if words[0] == "-c":
        compile(words[1], "page", "exec")
    elif words[0] != "-m":
        # A script is named from the root of the repository, or from the folder of the page's example.
        assert any((folder / words[0]).is_file() for folder in (ROOT, *(ROOT / "examples").iterdir())), words[0]
    elif words[1] == "beam_pipeline":
        _, of_beam = beam_pipeline.build_parser().parse_known_args(words[2:])
        choose_runner(of_beam)
    else:
        found = importlib.util.find_spec(words[1])
        assert found is not None, words[1]
        assert found.origin is not None
        source = Path(found.origin).read_text(encoding="utf-8")
        if "--" in words:
            read(shlex.join(words[words.index("--") + 1 :]))
            words = words[: words.index("--")]
        flags = [word for word in words[2:] if word.startswith("--")]
        assert [flag for flag in flags if flag.removeprefix("--") not in source] == []


def make(words: list[str]) -> None:
    """A target of the Makefile."""
    assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words[0]


def ray(words: list[str]) -> None:
    """What Ray's own command line takes."""
    from ray.scripts.scripts import cli

    command = cli.commands[words[0]]
    assert command.make_context(words[0], words[1:], resilient_parsing=False).params


def driven(source: str) -> Callable[[list[str]], None]:
    """A program with flags that the tests of engines give it, too."""

    def flags(words: list[str]) -> None:
        given = (ROOT / "tests/engines" / source).read_text(encoding="utf-8")
        for word in words:
            if re.match("--?[a-z_]+-?", word) and word != "-jar":
                assert word.partition("=")[0] in given, word

    return flags


def go(words: list[str]) -> None:
    """The version of Prism that is tested."""
    assert words == ["install", f"{PRISM}@{PRISM_VERSION}"]


def docker(words: list[str]) -> None:
    """The file of an image, or a command of daeda in it."""
    if words[0] == "build":
        assert (ROOT / words[words.index("-f") + 1]).is_file()
    else:
        daeda(words[words.index("daeda-skeleton") + 1 :])


def dagster(words: list[str]) -> None:
    """The file with definitions."""
    assert words[0] == "dev"
    assert (ROOT / words[words.index("-f") + 1]).is_file()


READERS: dict[str, Callable[[list[str]], None]] = {
    "daeda": daeda, "python": python, "make": make, "ray": ray, "java": driven("flink.py"),
    "prism": driven("prism.py"), "go": go, "docker": docker, "dagster": dagster,
}  # fmt: skip
# Programs of every shell.
PLAIN = {"cd", "chmod", "export", "mkdir", "touch"}


def read(line: str) -> None:
    """Have a command read by its program."""
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    for name, reader in READERS.items():
        if words and Path(words[0]).name == name:
            return reader(words[1:])
    assert not words or words[0] in PLAIN, f"who reads {line}?"
    return None


def lines(text: str) -> list[str]:
    """The commands of a block: a line that ends with a backslash goes on."""
    return [part for line in text.replace("\\\n", " ").splitlines() for part in line.split(" && ")]


@pytest.mark.parametrize("page", PAGES)
def test_each_command_is_read(page: str) -> None:
    found = [line for block in blocks(page) if block.language == "sh" for line in lines(block.text)]
    assert found
    for line in found:
        read(line)


def test_what_nobody_reads_is_told() -> None:
    with pytest.raises(AssertionError, match="who reads"):
        read("dadea train ranking")


def test_lines_for_cron_are_commands_of_daeda() -> None:
    (table,) = [block.text for block in blocks("docs/schedule.md") if block.language == "crontab"]
    commands = re.findall(r"^(?:\S+ ){5}cd \S+ && \.venv/bin/daeda (.*?) 2>> \S+$", table, re.MULTILINE)
    assert len(commands) == 3
    assert [getattr(parsed(words), "service", None) for words in commands] == [None, "ranking", "ranking"]


def test_the_dag_of_airflow_is_python_with_commands_of_daeda() -> None:
    text = (ROOT / "examples/airflow/training.py").read_text(encoding="utf-8")
    compile(text, "training.py", "exec")
    commands = re.findall(r'bash_command=f"\{DAEDA\} (.*?)"', text)
    assert len(commands) == 2
    assert [parsed(words.replace("{SERVICE}", "ranking")).service for words in commands] == ["ranking", "ranking"]


def test_settings_of_flink_are_among_those_that_are_tested() -> None:
    (shown,) = [yaml.safe_load(block.text) for block in blocks("docs/engines/flink.md") if block.language == "yaml"]
    given = (ROOT / "tests/engines/flink.py").read_text(encoding="utf-8")
    assert list(shown) == ["taskmanager", "restart-strategy", "heartbeat"]
    for section, settings in shown.items():
        assert f'"{section}"' in given
        assert [name for name in settings if f'"{name}"' not in given] == []
