"""Flags that several commands share, parsed strictly. Nothing heavy is imported here: `--help` answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from daeda.errors import NotBuiltYet, UsageError, did_you_mean
from daeda.process.messages import Shown
from daeda.settings.flags import ENRICHMENT_FLAGS, OUTPUT_ROOT, SETTING_FLAGS, SKELETON_FLAGS, SettingFlag
from daeda.storage.location import is_object

if TYPE_CHECKING:
    from daeda.catalog.project import Project

# Seconds without a day at work after which a job on a portable runner is given up.
WORKER_TIMEOUT = 120.0


class StrictParser(argparse.ArgumentParser):
    """A parser that accepts no abbreviations and raises UsageError with what exists.

    `where_others_go` ends the message about an unknown flag, for a command that passes flags on.
    """

    where_others_go = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"allow_abbrev": False, "formatter_class": argparse.ArgumentDefaultsHelpFormatter, **options}
        )

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
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

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


def add_project_flags(parser: argparse.ArgumentParser) -> None:
    """Where the YAML files are."""
    group = parser.add_argument_group("project")
    group.add_argument(
        "--runtime-config-path",
        type=Path,
        default=Path("config/training/runtime.yaml"),
        metavar="FILE",
        help="runtime.yaml; the directory that holds its config/ is the project root",
    )
    group.add_argument(
        "--aggregation-config-path",
        type=Path,
        metavar="FILE",
        help="aggregations.yaml (default: config/training/aggregations.yaml of the project)",
    )
    group.add_argument("--feature-views-dir", type=Path, metavar="DIR", help="default: feature_views of the project")
    group.add_argument(
        "--feature-services-dir", type=Path, metavar="DIR", help="default: feature_services of the project"
    )


def add_output_flag(parser: argparse.ArgumentParser) -> None:
    """Where the days are, for commands that read or write them."""
    _add_settings(parser.add_argument_group("output"), (OUTPUT_ROOT,))


def add_build_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a run that builds days: those of a plan, and what it does and tells beside that."""
    group = add_run_flags(parser)
    group.add_argument(
        "--on-locked",
        choices=("wait", "fail"),
        default="wait",
        help="what to do with a day that another run is building: wait for its end, or fail and say who holds it",
    )
    group.add_argument(
        "--profile",
        action="store_true",
        help="keep seconds, rows, bytes, peak memory and spill of each operator and day below _profile/ of the "
        "service, and show them as a table",
    )


def add_run_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Where the days are, which of them, and what becomes of stale ones; returns the group of the latter."""
    add_output_flag(parser)
    group = parser.add_argument_group("run")
    group.add_argument("--target-date", metavar="YYYY-MM-DD", help="build this day of the range alone")
    group.add_argument(
        "--on-stale",
        choices=("rebuild", "keep", "fail"),
        default="rebuild",
        help="what to do with a day whose inputs or configuration changed, or that is not as it was published",
    )
    return group


def add_skeleton_flags(parser: argparse.ArgumentParser) -> None:
    """How much the skeleton does at once, and with how much of the machine."""
    _add_settings(parser.add_argument_group("skeleton"), SKELETON_FLAGS)


def add_portable_flags(parser: argparse.ArgumentParser) -> None:
    """How long the skeleton waits for workers that it did not start."""
    group = parser.add_argument_group("portable runners")
    group.add_argument(
        "--worker-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="give up after so long without a day at work; a pool that cannot start its workers says nothing itself; "
        f"{WORKER_TIMEOUT:g} where it is not given",
    )


def _seconds(text: str) -> float:
    """A time-out; raises what argparse turns into a UsageError."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return value


def add_enrichment_flags(parser: argparse.ArgumentParser) -> None:
    """The envelope of the enrichment."""
    _add_settings(parser.add_argument_group("enrichment"), ENRICHMENT_FLAGS)


def _add_settings(group: argparse._ArgumentGroup, flags: Sequence[SettingFlag]) -> None:
    for one in flags:
        example = ", like 8GiB" if one.kind == "size" else ""
        text = f"{one.what}{example}; overrides {one.setting} of runtime.yaml"
        match one.kind:
            case "whole number":
                group.add_argument(one.flag, type=int, metavar="N", help=text)
            case "size":
                group.add_argument(one.flag, metavar="SIZE", help=text)
            case "directory":
                group.add_argument(one.flag, metavar="DIR", help=text)
            case "address":
                group.add_argument(one.flag, metavar="HOST:PORT", help=text)
            case "switch":
                group.add_argument(one.flag, action=argparse.BooleanOptionalAction, default=None, help=text)


def settings_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that flags override, nested like runtime.yaml."""
    given: dict[str, Any] = {}
    for one in SETTING_FLAGS:
        value = getattr(arguments, one.dest, None)
        if value is None:
            continue
        if one.kind == "directory":
            # Paths in flags are relative to the working directory, paths in YAML to the project root.
            value = _directory(one, value)
        *parents, last = one.location
        place = given
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return given


def _directory(flag: SettingFlag, value: str) -> str:
    if flag == OUTPUT_ROOT and is_object(value):
        return value
    if "://" in value:
        other = " or s3://bucket/path" if flag == OUTPUT_ROOT else ""
        raise NotBuiltYet(f"{flag.flag} {value} is not built: use a local directory{other}")
    return str(Path(value).absolute())


def open_project(arguments: argparse.Namespace, service: str | None = None) -> Project:
    """Read the project that the flags name; raises ConfigError or UsageError."""
    from daeda.catalog.project import ProjectPaths, load_project
    from daeda.storage.objects import limit_request_time

    path: Path = arguments.runtime_config_path
    if not path.exists():
        raise UsageError(
            f"{path} does not exist: run in a project (a directory with config/training/runtime.yaml), or give "
            "its file with --runtime-config-path"
        )
    paths = ProjectPaths(
        path, arguments.aggregation_config_path, arguments.feature_views_dir, arguments.feature_services_dir
    )
    project = load_project(paths, service, settings_given(arguments))
    limit_request_time(float(project.runtime.timeouts.storage_seconds))
    return project


def as_flags(arguments: argparse.Namespace, names: Mapping[str, str]) -> list[str]:
    """Given flags as words for a subprocess; `names` maps an attribute to its flag."""
    words: list[str] = []
    for attribute, flag in names.items():
        value = getattr(arguments, attribute)
        if value is None or value is False:
            continue
        words += [flag] if value is True else [flag, str(value)]
    return words


def setting_words(arguments: argparse.Namespace, flags: Sequence[SettingFlag]) -> list[str]:
    """Given flags of settings as words for a subprocess."""
    words: list[str] = []
    for one in flags:
        value = getattr(arguments, one.dest)
        if value is None:
            continue
        if one.kind == "switch":
            words.append(one.flag if value else one.flag.replace("--", "--no-", 1))
        else:
            words += [one.flag, str(value)]
    return words
