"""Pieces of YAML: scalars and expressions in quotes where they need them, flow mappings, comments that fit a screen."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping

import yaml
from sqlglot import exp

from daeda.errors import ConfigurationError
from daeda.sql.expression import parse_expression

WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def scalar(value: str) -> str:
    """A text as YAML has it on one line.

    >>> scalar("user_id"), scalar("no"), scalar("timestamp[us]"), scalar("list<int64>")
    ('user_id', "'no'", '"timestamp[us]"', '"list<int64>"')
    """
    if _is_plain(value):
        return value
    if '"' not in value and "\\" not in value and value.isprintable() and not _PLAIN.fullmatch(value):
        return f'"{value}"'
    return yaml.safe_dump(
        value, width=10_000, allow_unicode=True, default_style="'" if value.isprintable() else '"'
    ).strip()


def _is_plain(value: str) -> bool:
    """Whether YAML has the text without quotes, in a mapping on one line too."""
    if not value.isprintable() or re.search(r"[\[\]{},<>:#?]", value):
        return False
    try:
        return bool(yaml.safe_load(f"- {value}") == [value])
    except yaml.YAMLError:
        # An indicator begins it, such as @ or %.
        return False


def expression(name: str) -> str:
    """A column in an expression, in quotes where SQL has another meaning for the word.

    >>> expression("price"), expression("when"), expression("true")
    ('price', '"when"', '"true"')
    """
    try:
        tree = parse_expression(name)
    except ConfigurationError:
        return f'"{name}"'
    return name if isinstance(tree, exp.Column) and tree.name == name else f'"{name}"'


def flow(entries: Mapping[str, str]) -> str:
    """A mapping on one line; values are YAML already.

    >>> flow({"name": "a", "kind": "key"})
    '{name: a, kind: key}'
    """
    return "{" + ", ".join(f"{name}: {value}" for name, value in entries.items()) + "}"


def comment(text: str, indent: int = 0) -> list[str]:
    """Lines of a comment."""
    begin = " " * indent + "# "
    return [
        begin + line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(
            one_line(paragraph), WIDTH - len(begin), break_on_hyphens=False,
        )
    ]  # fmt: skip


def one_line(text: str) -> str:
    """A text behind `#`, which nothing in it ends.

    >>> one_line("date\\nname: mine")
    'date?name: mine'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def listed(names: Iterable[str]) -> str:
    """A list on one line.

    >>> listed(["a", "b"])
    '[a, b]'
    """
    return f"[{', '.join(scalar(name) for name in names)}]"
