"""What is told while something is at work: warnings of Python, and progress in a terminal or a notebook."""

from __future__ import annotations

import html
import sys
import time
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from daeda.process.messages import say
from daeda.process.printable import printable

# A notebook keeps what is displayed, and its browser draws it: so many times a second at most.
_SECONDS_BETWEEN = 0.2


class DataWarning(UserWarning):
    """What is not refused and may not be meant: a column that is left out, rows before a view begins."""


def warn(sentences: Iterable[str], stack_level: int = 3) -> None:
    """A DataWarning for each sentence, which points to the code of the user."""
    for sentence in dict.fromkeys(sentences):
        warnings.warn(DataWarning(sentence), stacklevel=stack_level)


class Progress:
    """Tells of a piece of work: a line for each step in a terminal, a bar in a notebook, nothing elsewhere.

    `shown` is whether anything is told; None asks where this process runs.
    """

    def __init__(self, title: str, shown: bool | None = None) -> None:
        self._title = title
        in_notebook = _is_notebook()
        self._bar = _Bar(title) if in_notebook and shown is not False else None
        self._lines = not in_notebook and (_is_terminal() if shown is None else shown)

    def tell(self, line: str, done: int | None = None, of: int | None = None) -> None:
        """A line of narrative; `done` steps `of` so many are done."""
        if self._bar is not None:
            self._bar.tell(line, done, of)
        elif self._lines:
            say(line)

    def end(self, line: str) -> None:
        """The work is done, or has failed: the bar becomes a line."""
        if self._bar is not None:
            self._bar.end(line)


class _Bar:
    """A bar of HTML in the output of a cell, in place of which the next state is shown."""

    def __init__(self, title: str) -> None:
        # No library of ours: a kernel has it, and nobody else.
        shown: Any = import_module("IPython.display")
        self._html = shown.HTML
        self._title, self._began, self._shown_at = title, time.monotonic(), 0.0
        self._done, self._of = 0, 0
        self._handle = shown.display(shown.HTML(bar(title, "", 0, 0)), display_id=True)

    def tell(self, line: str, done: int | None, of: int | None) -> None:
        if done is not None and of is not None:
            self._done, self._of = done, of
        now = time.monotonic()
        if now - self._shown_at >= _SECONDS_BETWEEN:
            self._shown_at = now
            self._handle.update(self._html(bar(self._title, line, self._done, self._of)))

    def end(self, line: str) -> None:
        seconds = time.monotonic() - self._began
        self._handle.update(self._html(f"<div>{html.escape(f'{self._title}: {line} in {seconds:.1f} s')}</div>"))


def bar(title: str, line: str, done: int, of: int) -> str:
    """The HTML of a bar.

    >>> bar("train a&b", "day 1", 1, 4)
    '<div>train a&amp;b <progress value="1" max="4"></progress> 1 of 4 <small>day 1</small></div>'
    """
    state = f'<progress value="{done}" max="{of}"></progress> {done:,} of {of:,}' if of else "<progress></progress>"
    return f"<div>{html.escape(title)} {state} <small>{html.escape(printable(line))}</small></div>"


def _is_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which has loaded IPython before."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
