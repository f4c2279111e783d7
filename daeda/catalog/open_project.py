"""The project that the flags of a command name."""

from __future__ import annotations

import argparse
from pathlib import Path

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.errors import UsageError
from daeda.flags.given import settings_given
from daeda.storage.objects import limit_request_time


def open_project(arguments: argparse.Namespace, service: str | None = None) -> Project:
    """Read the project that the flags name; raises ConfigError or UsageError."""
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
