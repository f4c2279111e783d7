"""The pages of the guide, their blocks, and a folder in which a block is copied or run as a reader would do it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Pages that are written by hand, or whose blocks are: the reference has none, and decisions quote what was weighed.
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "examples/complete_journey/README.md",
    "examples/dagster_days/README.md",
    "tests/cases/README.md",
    *(
        path.relative_to(ROOT).as_posix()
        for path in sorted(DOCS.rglob("*.md"))
        if path.parent.name not in ("decisions", "reference")
    ),
)
STARTED = "docs/getting-started.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block, and in which language it is."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page, which is named by its path in the repository."""
    return [Block(*found) for found in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))]


@dataclass
class Walk:
    """A folder, what the last commands printed on stdout, and the lines of Python that belong together."""

    folder: Path
    printed: str = ""
    python: list[str] = field(default_factory=list)
    untried: bool = False

    def block(self, block: Block) -> None:
        """Do with a block what a reader does: copy a file, run commands, compare what they print."""
        match block.language:
            case "yaml" | "python" if block.text.startswith("# "):
                self.copy(block.text)
            case "python":
                self.python.append(block.text)
                self.untried = True
            case "sh":
                self.run(block.text)
            case "text":
                self.end()
                assert tidy(self.printed).endswith(tidy(block.text)), self.printed
            case _:
                raise AssertionError(f"nobody tries a block of {block.language}")

    def end(self) -> None:
        """Run the lines of Python up to here: the blocks of a page are one session."""
        if self.untried:
            self._run([sys.executable, "-c", "".join(self.python)])
            self.untried = False

    def copy(self, text: str) -> None:
        """Write a block to the file that its first line names; `(added)`: at its end, `(below KEY)`: behind a key."""
        head, _, body = text.partition("\n")
        name, _, how = head.removeprefix("# ").partition(" ")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if how else ""
        if key := re.fullmatch(r"\(below (\w+)\)", how):
            ahead, line, behind = before.partition(f"{key[1]}:\n")
            assert line, f"{name} has no {key[1]}"
            before, body = ahead + line, body + behind
        path.write_text(before + body, encoding="utf-8")

    def run(self, text: str) -> str:
        """Run commands as a shell would; one that fails ends them."""
        return self._run(["bash", "-euc", text])

    def _run(self, words: list[str]) -> str:
        bin_first = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": bin_first, "COLUMNS": "100", "NO_COLOR": "1"}
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.printed = done.stdout
        return done.stdout


def tidy(text: str) -> str:
    """The text without blanks at the ends of its lines, which no page keeps."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def started(folder: Path) -> Walk:
    """The project at the end of getting started, with its data, and nothing built."""
    walk = Walk(folder)
    for block in blocks(STARTED):
        if block.language in ("yaml", "python"):
            walk.copy(block.text)
    walk.run("python make_data.py; python next_day.py")
    return walk
