"""Strict parsers, how the table of flags becomes their arguments, and what was given: as words, and as settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from daeda.errors import NotBuiltYet, UsageError, did_you_mean
from daeda.flags.days import parse_day_flag
from daeda.flags.flag import Flag, FlagGroup
from daeda.flags.help import HelpAll, HelpFormatter, short_help
from daeda.flags.table import OUTPUT_ROOT, SETTINGS
from daeda.process.messages import Shown
from daeda.storage.location import is_object


class StrictParser(argparse.ArgumentParser):
    """A parser that accepts no abbreviations and raises UsageError with what exists.

    `other_commands` are words that stand for a command of a group.
    `where_others_go` ends the message about an unknown flag, for a command that passes flags on.
    """

    where_others_go = ""
    prominent: tuple[str, ...] = ()
    other_commands: tuple[str, ...] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": HelpFormatter, **options})

    def show_first(self, *flags: str) -> None:
        """Let `--help` show these flags, and `--help-all` all of them."""
        self.prominent = flags
        self.usage = f"{self.prog} [SERVICE] [FLAGS]"
        self.add_argument("--help-all", action=HelpAll, help="show every flag and exit")

    def format_help(self) -> str:
        """The help; of a command with many flags those that most people need."""
        return short_help(self, self.prominent) if self.prominent else super().format_help()

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A command that does not exist is answered with the one that is meant."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            known = [*action.choices, *self.other_commands]
            raise UsageError(f"{self.prog}: no command '{value}': {did_you_mean(str(value), known)}")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage."""
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """The value of a word. An empty one is an unset variable of a shell, and `Path` would take it for `.`."""
        # Defaults come through here, too, and some of Beam's are empty.
        given = arg_string != action.default and not isinstance(action, argparse._SubParsersAction)
        if given and not arg_string.strip():
            name = "/".join(action.option_strings) or action.dest.upper()
            raise UsageError(f"{self.prog}: {name} is empty: give it a value, or leave it out; is a variable not set?")
        return super()._get_value(action, arg_string)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the command when its help was shown."""
        raise Shown(status)

    def flags(self) -> list[str]:
        """Every long flag."""
        return [flag for flag in self._option_string_actions if flag.startswith("--") and flag != "--help-all"]

    def parse_strictly(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse; an unknown flag raises UsageError with the nearest one that the command knows."""
        parsed, unknown = self.parse_known_args(arguments)
        if unknown:
            command: StrictParser = getattr(parsed, "parser", self)
            command.refuse(unknown[0])
        return parsed

    def refuse(self, word: str, known_elsewhere: Sequence[str] = ()) -> NoReturn:
        """Raise UsageError for a word that no parser knows."""
        flag = word.partition("=")[0]
        known = dict.fromkeys((*self.flags(), *known_elsewhere))
        if not flag.startswith("-"):
            raise UsageError(f"{self.prog}: unexpected word '{word}'; see {self.prog} --help")
        raise UsageError(f"{self.prog}: unknown flag '{flag}': {did_you_mean(flag, known)}{self.where_others_go}")


def refuse_beam_flags(command: str, beam_flags: Sequence[str], why: str = "takes no flags of Beam") -> None:
    """Raise UsageError for words behind `--`, which are Beam's, of a command that hands them to nobody."""
    if beam_flags:
        raise UsageError(f"daeda {command} {why}: remove what stands behind '--'")


def add_flags(parser: argparse.ArgumentParser, *groups: FlagGroup) -> None:
    """Add the flags of groups of the table to a parser, in their order."""
    for group in groups:
        target: argparse._ActionsContainer = parser.add_argument_group(group.title) if group.title else parser
        for flag in group.flags:
            default = False if flag.kind == "on" else flag.default
            target.add_argument(flag.flag, default=default, help=flag.help, **_options(flag))


def _options(flag: Flag) -> dict[str, Any]:
    """What argparse takes beside the default and the help text of a flag."""
    match flag.kind:
        case "choice":
            return {"action": _Choice, "choices": flag.choices} | (
                {"nargs": "?", "const": flag.bare} if flag.bare else {}
            )
        case "switch":
            return {"action": argparse.BooleanOptionalAction}
        case "on":
            return {"action": "store_true"}
        case "texts":
            return {"nargs": "+", "metavar": flag.metavar}
        case _:
            return {"type": _TYPES.get(flag.kind), "metavar": flag.metavar or _METAVARS[flag.kind]}


class _Choice(argparse.Action):
    """Store the word, and that it was given: a default is nobody's choice."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.chosen = (*getattr(namespace, "chosen", ()), self.dest)


def was_given(arguments: argparse.Namespace, dest: str) -> bool:
    """Whether the word of a choice was given, and is not the default."""
    return dest in getattr(arguments, "chosen", ())


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _count_or_0(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def seconds_above_0(text: str) -> float:
    """A time limit; raises what argparse turns into a UsageError."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return value


def _distance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 0")
    return value


def _day(text: str) -> str:
    """A day that is written in words or relative to today: subprocesses get it as a date."""
    try:
        return parse_day_flag(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_TYPES: dict[str, Callable[[str], Any]] = {
    "day": _day,
    "whole number": int,
    "count": _count,
    "count or 0": _count_or_0,
    "seconds": seconds_above_0,
    "distance": _distance,
    "path": Path,
}
_METAVARS = {
    "whole number": "N",
    "count": "N",
    "count or 0": "N",
    "seconds": "SECONDS",
    "size": "SIZE",
    "directory": "DIR",
    "address": "HOST:PORT",
    "day": "DAY",
}


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
