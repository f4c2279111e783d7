"""What was given: flags as words for a subprocess, and as the settings that they override."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daeda.errors import NotBuiltYet
from daeda.flags.table import OUTPUT_ROOT, SETTINGS, Flag, FlagGroup
from daeda.storage.location import is_object


def forwarded(arguments: argparse.Namespace, *groups: FlagGroup) -> list[str]:
    """The flags of groups of the table that were given, as words for a subprocess that has the same groups."""
    return [word for group in groups for flag in group.flags for word in words_of(flag, getattr(arguments, flag.dest))]


def words_of(flag: Flag, value: Any) -> list[str]:
    """A flag and its value as words; none for a flag that was not given."""
    if value is None:
        return []
    match flag.kind:
        case "on":
            return [flag.flag] if value else []
        case "switch":
            return [flag.flag if value else flag.flag.replace("--", "--no-", 1)]
        case "texts":
            return [flag.flag, *value]
        case _:
            return [flag.flag, str(value)]


def settings_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that flags override, nested like runtime.yaml."""
    given: dict[str, Any] = {}
    for flag in SETTINGS:
        value = getattr(arguments, flag.dest, None)
        if value is None:
            continue
        if flag.kind == "directory":
            # Paths in flags are relative to the working directory, paths in YAML to the project root.
            value = _directory(flag, value)
        *parents, last = flag.position
        nested = given
        for name in parents:
            nested = nested.setdefault(name, {})
        nested[last] = value
    return given


def _directory(flag: Flag, value: str) -> str:
    if flag == OUTPUT_ROOT and is_object(value):
        return value
    if "://" in value:
        other = " or s3://bucket/path" if flag == OUTPUT_ROOT else ""
        raise NotBuiltYet(f"{flag.flag} {value} is not built: use a local directory{other}")
    return str(Path(value).absolute())
