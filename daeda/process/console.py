"""Tables and live lines by rich, which takes `[red]` and `:smile:` in a name for its own, and lets escapes through."""

from __future__ import annotations

import errno
import os
import sys
import textwrap
from typing import Any

from rich.console import Console
from rich.text import Text

from daeda.process.printable import printable

# A narrower table leaves columns and letters out, and one of COLUMNS=0, which a terminal without a size has, all.
_NARROWEST = 40


class HarmlessConsole(Console):
    """A console that shows every text as it is: no markup, no emoji, and nothing that a terminal would obey."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        if self.width < _NARROWEST:
            self.width = _NARROWEST

    def on_broken_pipe(self) -> None:
        """Where nobody reads, a command ends as by any other print; rich would call sys.exit."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as rich shows it; every cell, title and line comes through here."""
        return super().render_str(printable(text), **options)


def wrapped(text: str) -> str:
    """The text with its lines broken where the terminal ends, as far in as they begin and a little further.

    Without a terminal each line stays whole, for whoever looks through them.
    """
    if not sys.stdout.isatty():
        return text
    width = HarmlessConsole().width
    return "\n".join(broken for line in text.split("\n") for broken in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    begin = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line[len(begin) :], width, initial_indent=begin, subsequent_indent=f"{begin}  ", break_on_hyphens=False,
        expand_tabs=False, replace_whitespace=False,
    )  # fmt: skip


def plain(text: str) -> Text:
    """A line for a live display, which takes no string."""
    return Text(printable(text), overflow="ellipsis", no_wrap=True)
