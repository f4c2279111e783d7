"""Where a pipeline that was edited by hand lies, which takes the place of the compiled one."""

from __future__ import annotations

from pathlib import Path

from daeda.catalog.project import Project

PIPELINES = Path("config") / "pipelines"


def edited_path(project: Project) -> Path:
    """The file of the project's service, if there is one."""
    return project.root / PIPELINES / f"{project.service.name}.yaml"
