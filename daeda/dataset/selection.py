"""Which published days a word names: `ranking`, `ranking@v2`, `ranking@january`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from daeda.dataset.layout import Layout
from daeda.dataset.tags import Tag, check_tag_name, tagged
from daeda.dataset.versions import versions_there
from daeda.errors import InputError, UsageError

_VERSION = re.compile(r"v([1-9][0-9]{0,8})", re.ASCII)


@dataclass(frozen=True)
class Selector:
    """A service, None for the one of the project, and what follows `@`: a version, a tag, or neither."""

    service: str | None
    version: int | None = None
    tag: str | None = None

    def open(self, layout: Layout) -> tuple[Layout, Tag | None]:
        """The layout, and the tag, of what is selected; `layout` is that of the version of the project.

        Raises InputError with what exists.
        """
        if self.tag is not None:
            return tagged(layout, self.tag)
        if self.version is None:
            return layout, None
        there = versions_there(layout)
        if self.version not in there:
            known = ", ".join(f"v{version}" for version in there) or "none"
            raise InputError(f"{layout.service} has no version {self.version}: published are {known}")
        return layout.of_version(self.version), None


def parse_selector(word: str | None) -> Selector:
    """What a word selects; raises UsageError for one that is none.

    >>> parse_selector("ranking@v2"), parse_selector("ranking@january").tag, parse_selector(None).service
    (Selector(service='ranking', version=2, tag=None), 'january', None)
    """
    if word is None:
        return Selector(None)
    service, at, name = word.partition("@")
    if not service or (at and not name):
        raise UsageError(f"'{word}' names no days: write SERVICE, SERVICE@v2 for a version or SERVICE@NAME for a tag")
    if not at:
        return Selector(service)
    if version := _VERSION.fullmatch(name):
        return Selector(service, version=int(version[1]))
    check_tag_name(name)
    return Selector(service, tag=name)
