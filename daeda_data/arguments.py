"""Arguments by their types: what is no path, no text and no list of names is told as a mistake of whoever gave it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from daeda.errors import UsageError, cut

# What a name in a directory may have on the file systems there are.
_LONGEST_NAME = 255


def path_of(name: str, value: object) -> str:
    """A path or address as text.

    >>> path_of("root", 7)
    Traceback (most recent call last):
    daeda.errors.UsageError: root= is 7, and not a path: give a text or a Path
    """
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(given, str):
        raise UsageError(f"{name}= is {cut(repr(value))}, and not a path: give a text or a Path")
    return _nameable(name, given)


def text_of(name: str, value: object, what: str) -> str:
    """A text, which `what` it should be.

    >>> text_of("service", ["ranking"], "the name of a service")
    Traceback (most recent call last):
    daeda.errors.UsageError: service= is ['ranking'], and not the name of a service: give a text
    """
    if not isinstance(value, str):
        raise UsageError(f"{name}= is {cut(repr(value))}, and not {what}: give a text")
    return _nameable(name, value)


def truth_of(name: str, value: object) -> bool:
    """True or False, and nothing that only counts as one of them.

    >>> truth_of("verify", "no")
    Traceback (most recent call last):
    daeda.errors.UsageError: verify= is 'no', and neither True nor False
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name}= is {cut(repr(value))}, and neither True nor False")
    return value


def names_of(name: str, value: object) -> list[str]:
    """A list of names.

    >>> names_of("columns", [1])
    Traceback (most recent call last):
    daeda.errors.UsageError: columns= has 1 in it, which is no name: give a list of texts
    >>> names_of("columns", "price")
    Traceback (most recent call last):
    daeda.errors.UsageError: columns= is a text, 'price': give a list of names, as in columns=['price']
    """
    if isinstance(value, str):
        text = cut(repr(value))
        raise UsageError(f"{name}= is a text, {text}: give a list of names, as in {name}=[{text}]")
    if not isinstance(value, Iterable):
        raise UsageError(f"{name}= is {cut(repr(value))}, and not a list of names: give a list of texts")
    names = []
    for one in value:
        if not isinstance(one, str):
            raise UsageError(f"{name}= has {cut(repr(one))} in it, which is no name: give a list of texts")
        names.append(one)
    return names


def _nameable(name: str, text: str) -> str:
    """The text, if files can have it as their name."""
    try:
        parts = os.fsencode(text).split(os.sep.encode())
    except UnicodeEncodeError:
        raise UsageError(
            f"{name}= is {cut(ascii(text))}, which cannot be written in UTF-8: no file is named so"
        ) from None
    if b"\0" in os.fsencode(text):
        raise UsageError(f"{name}= is {cut(repr(text))}, which has a NUL in it: no file is named so")
    longest = max(map(len, parts))
    if longest > _LONGEST_NAME:
        raise UsageError(
            f"{name}= is {cut(repr(text))}, with a name of {longest} bytes in it: no file's name is longer than "
            f"{_LONGEST_NAME}"
        )
    return text
