"""pip, and one line of what it is doing: which package, how many by now, and for how long.

    python deploy/install.py --constraint constraints.txt --editable '.[dev]'

On a terminal the line is written over; elsewhere there is one every ten seconds. What pip says is shown where it fails.
Needs nothing but Python and pip.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

_STEPS = re.compile(
    r"\s*(Collecting|Downloading|Using cached|Building wheel for|Installing collected packages)[: ]+([\w.-]+)"
)
_WORDS = {
    "Collecting": "looking for",
    "Using cached": "found",
    "Building wheel for": "building",
    "Downloading": "fetching",
}
_SILENT_SECONDS = 10.0


class Progress:
    """What is shown of pip's lines."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._began = self._told = time.monotonic()
        self._packages: set[str] = set()
        self._doing = "starting"

    def see(self, line: str) -> None:
        """Take a line of pip."""
        if match := _STEPS.match(line):
            step, name = match[1], match[2].split("-")[0] if match[1] in ("Downloading", "Using cached") else match[2]
            if step == "Collecting":
                self._packages.add(name)
            self._doing = "putting them in place" if step.startswith("Installing") else f"{_WORDS[step]} {name}"

    def show(self) -> None:
        """Write the line, where it is time for that."""
        now = time.monotonic()
        text = f"  {now - self._began:3.0f} s  {len(self._packages)} packages, {self._doing}"
        if self._terminal:
            print(f"\r\033[K{text[:78]}", end="", flush=True)
        elif now - self._told >= _SILENT_SECONDS:
            self._told = now
            print(text, flush=True)

    def end(self) -> None:
        """Leave what was told."""
        done = f"  {time.monotonic() - self._began:3.0f} s  {len(self._packages)} packages, done"
        print(f"\r\033[K{done}" if self._terminal else done, flush=True)


def main(words: Sequence[str]) -> int:
    """Install; returns the exit code of pip."""
    command = [
        sys.executable,
        "-u",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        *words,
    ]
    progress, lines = Progress(sys.stdout.isatty()), []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert process.stdout is not None
    over = threading.Event()

    def tick() -> None:
        while not over.wait(0.5):
            progress.show()

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    for line in process.stdout:
        lines.append(line)
        progress.see(line)
    code = process.wait()
    over.set()
    ticker.join()
    if code:
        print("\n", *lines[-40:], sep="", file=sys.stderr)
    else:
        progress.end()
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
