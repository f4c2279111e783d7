"""Words of an expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from daeda.errors import ConfigError

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<word>[^\W\d]\w*)
    |(?P<symbol><=|>=|<>|!=|==|\|\||//|\*\*|::|[-+*/%^&|<>=(),\[\]])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is what the word means: a text without its quotes, a word in upper case; `shown` is what was written."""

    kind: Literal["number", "text", "quoted", "word", "symbol", "end"]
    value: str
    shown: str
    position: int


def tokens_of(text: str) -> list[Token]:
    """Cut an expression into its words, the last of kind `end`; raises ConfigError at a character that begins none."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigError(
                f"the audit cannot read {text!r} from character {position + 1} on: {text[position : position + 10]!r}"
            )
        position = match.end()
        shown = match[0]
        match match.lastgroup:
            case "number" | "symbol" as kind:
                found.append(Token(kind, shown, shown, match.start()))
            case "text":
                found.append(Token("text", shown[1:-1].replace("''", "'"), shown, match.start()))
            case "quoted":
                found.append(Token("quoted", shown[1:-1].replace('""', '"'), shown, match.start()))
            case "word":
                found.append(Token("word", shown.upper(), shown, match.start()))
    return [*found, Token("end", "", "the end", len(text))]
