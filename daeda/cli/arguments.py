"""Flags that several commands share, parsed strictly. Nothing heavy is imported here: `--help` answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from daeda.errors import NotBuiltYet, UsageError, did_you_mean

if TYPE_CHECKING:
    from daeda.catalog.project import Project


class StrictParser(argparse.ArgumentParser):
    """A parser that accepts no abbreviations and raises UsageError with what exists."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"allow_abbrev": False, "formatter_class": argparse.ArgumentDefaultsHelpFormatter, **options}
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage."""
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")

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
        raise UsageError(f"{self.prog}: unknown flag '{flag}': {did_you_mean(flag, known)}")


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
    group.add_argument("--output-root", metavar="DIR", help="overrides output_root of runtime.yaml")


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Which days, and what becomes of stale ones."""
    group = parser.add_argument_group("run")
    group.add_argument("--target-date", metavar="YYYY-MM-DD", help="build this day of the range alone")
    group.add_argument(
        "--on-stale",
        choices=("rebuild", "keep", "fail"),
        default="rebuild",
        help="what to do with a day whose inputs or configuration changed",
    )


def add_skeleton_flags(parser: argparse.ArgumentParser) -> None:
    """How much the skeleton does at once."""
    group = parser.add_argument_group("skeleton")
    group.add_argument(
        "--day-workers", type=int, metavar="N", help="days at once; overrides day_workers of runtime.yaml"
    )


def add_enrichment_flags(parser: argparse.ArgumentParser) -> None:
    """The envelope of the enrichment."""
    group = parser.add_argument_group("enrichment")
    group.add_argument("--ray-num-cpus", type=int, metavar="N", help="ceiling of logical CPUs; overrides ray.num_cpus")
    group.add_argument(
        "--preload-day-embeddings",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="share the vectors of a day through the object store; overrides ray.preload_day_embeddings",
    )


def settings_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that flags override, nested like runtime.yaml."""
    given: dict[str, Any] = {}
    if arguments.output_root is not None:
        # Paths in flags are relative to the working directory, paths in YAML to the project root.
        if "://" in arguments.output_root:
            raise NotBuiltYet(
                f"--output-root {arguments.output_root} is described and not built yet: use a local directory"
            )
        given["output_root"] = str(Path(arguments.output_root).absolute())
    if getattr(arguments, "day_workers", None) is not None:
        given["day_workers"] = arguments.day_workers
    ray = {
        "num_cpus": getattr(arguments, "ray_num_cpus", None),
        "preload_day_embeddings": getattr(arguments, "preload_day_embeddings", None),
    }
    ray = {name: value for name, value in ray.items() if value is not None}
    return {**given, "ray": ray} if ray else given


def open_project(arguments: argparse.Namespace, service: str | None = None) -> Project:
    """Read the project that the flags name; raises ConfigError or UsageError."""
    from daeda.catalog.project import ProjectPaths, load_project

    path: Path = arguments.runtime_config_path
    if not path.exists():
        raise UsageError(
            f"{path} does not exist: run in a project (a directory with config/training/runtime.yaml), or give "
            "its file with --runtime-config-path"
        )
    paths = ProjectPaths(
        path, arguments.aggregation_config_path, arguments.feature_views_dir, arguments.feature_services_dir
    )
    return load_project(paths, service, settings_given(arguments))


def as_flags(arguments: argparse.Namespace, names: Mapping[str, str]) -> list[str]:
    """Given flags as words for a subprocess; `names` maps an attribute to its flag."""
    words: list[str] = []
    for attribute, flag in names.items():
        value = getattr(arguments, attribute)
        if value is None or value is False:
            continue
        words += [flag] if value is True else [flag, str(value)]
    return words
