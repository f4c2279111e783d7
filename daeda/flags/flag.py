"""What is said of a flag: its word, how it is read, and the setting that it overrides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Value = Literal[
    "whole number", "count", "count or 0", "seconds", "distance", "size", "directory", "path", "text", "address", "day"
]
Kind = Value | Literal["texts", "choice", "switch", "on"]


@dataclass(frozen=True)
class Flag:
    """One flag. `kind` says how its word is read, `setting` what it overrides in runtime.yaml: `ray.num_cpus`.

    Without a word it has the value `default`; a choice that is given without a word has the value `bare`.
    """

    flag: str
    kind: Kind
    text: str
    setting: str = ""
    metavar: str | None = None
    default: Any = None
    choices: tuple[str, ...] = ()
    bare: str | None = None

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def position(self) -> tuple[str, ...]:
        """The position of the setting in runtime.yaml."""
        return tuple(self.setting.split("."))

    @property
    def help(self) -> str:
        """The help text."""
        if not self.setting:
            return self.text
        example = ", like 8GiB" if self.kind == "size" else ""
        return f"{self.text}{example}; overrides {self.setting} of runtime.yaml"


@dataclass(frozen=True)
class FlagGroup:
    """Flags that stand together under a title in `--help`; without one, beside `--help` itself."""

    title: str
    flags: tuple[Flag, ...]
