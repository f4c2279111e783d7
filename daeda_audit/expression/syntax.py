"""The words and the tree of an expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from daeda.errors import ConfigurationError

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
class Constant:
    """A literal."""

    value: object


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the row."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or a function, by its lower-case name: `+`, `and`, `is null`, `coalesce`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """CASE WHEN condition THEN value ... ELSE otherwise END."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Cast:
    """CAST(value AS type), the type's words in upper case; `lenient` makes NULL of what does not fit."""

    value: Node
    type: str
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate of the rows of a session; without an argument it counts rows."""

    name: str
    argument: Node | None
    distinct: bool = False


Node = Constant | Column | Call | Case | Cast | Aggregate


def columns_of(node: Node) -> tuple[str, ...]:
    """Names of the columns that an expression reads, each once, in order of appearance."""
    return tuple(dict.fromkeys(_columns(node)))


def functions_of(node: Node) -> set[str]:
    """Names of the operators and functions that an expression uses."""
    found = {node.name} if isinstance(node, Call) else set()
    return found.union(*(functions_of(child) for child in children(node)))


def _columns(node: Node) -> Iterator[str]:
    if isinstance(node, Column):
        yield node.name
    for child in children(node):
        yield from _columns(child)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below one, in the order of their text."""
    match node:
        case Call():
            return node.arguments
        case Case():
            return (*(part for branch in node.branches for part in branch), node.otherwise)
        case Cast():
            return (node.value,)
        case Aggregate() if node.argument is not None:
            return (node.argument,)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is what the word means: a text without its quotes, a word in upper case; `shown` is what was written."""

    kind: Literal["number", "text", "quoted", "word", "symbol", "end"]
    value: str
    shown: str
    position: int


def tokens_of(text: str) -> list[Token]:
    """Cut an expression into its words, the last of kind `end`; ConfigurationError at a character that begins none."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigurationError(
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
