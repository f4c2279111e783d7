"""Tables and live lines by rich, which takes `[red]` and `:smile:` in a name for its own, and lets escapes through."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from daeda.process.printable import printable


class HarmlessConsole(Console):
    """A console that shows every text as it is: no markup, no emoji, and nothing that a terminal would obey."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as rich shows it; every cell, title and line comes through here."""
        return super().render_str(printable(text), **options)


def plain(text: str) -> Text:
    """A line for a live display, which takes no string."""
    return Text(printable(text), overflow="ellipsis", no_wrap=True)
