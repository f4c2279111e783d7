"""The tree of an expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


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
    return found.union(*(functions_of(child) for child in _children(node)))


def _columns(node: Node) -> Iterator[str]:
    if isinstance(node, Column):
        yield node.name
    for child in _children(node):
        yield from _columns(child)


def _children(node: Node) -> tuple[Node, ...]:
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
