"""What is printed is harmless: no text of others moves the cursor, hides behind another one, or forges a line.

Names, values, paths, server answers and exceptions are written by others. Whatever is printed goes through `printable`
at the edge: `process.messages`, `process.console` and the logging of the subprocesses. Who composes a message need not
think of it.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from daeda.storage.access import without_secrets

# C0 and C1 controls, and what is not seen or changes the order of what is: soft hyphen, zero-width characters, marks of
# direction, separators of lines and paragraphs, fillers, annotations, tags; and surrogates, which no encoding takes.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ALONE = re.compile(f"({_HARMFUL.pattern})")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def harmless(text: str) -> str:
    r"""The text as one line of characters that are seen, the others as escapes.

    >>> harmless("a\nerror: b\x1b[31m\u202e") == "a\\nerror: b\\x1b[31m\\u202e"
    True
    """
    return _HARMFUL.sub(_escaped, text)


def is_harmless(text: str) -> bool:
    """Whether nothing in the text has to be escaped."""
    return _HARMFUL.search(text) is None


def split_harmful(text: str) -> list[str]:
    """The text in pieces: harmless ones, and single characters that are not."""
    return _ALONE.split(text)


def printable(text: str) -> str:
    """The text as it may be printed: as one harmless line, without what is secret."""
    return harmless(without_secrets(text))


def printable_lines(text: str) -> str:
    """A text of several lines as it may be printed; for texts whose line breaks are our own."""
    return "\n".join(harmless(line) for line in without_secrets(text).split("\n"))


class HarmlessFormatter(logging.Formatter):
    """Records of logging as they may be printed: what libraries quote of names, values and answers is not theirs."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """The traceback behind it."""
        return printable_lines(super().formatException(ei))


def _escaped(match: re.Match[str]) -> str:
    letter = match[0]
    if letter in _SHORT:
        return _SHORT[letter]
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
