"""What a preview can do without while it starts: half of its seconds are imports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from daeda.catalog.project import Project


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def without_pandas(project: Project) -> None:
    """Let this process be one without pandas, unless it calls functions of the user, who may want it.

    pyarrow imports pandas with the first array where it is installed; nothing here reads a frame of it.
    """
    if not project.aggregations.udf_specs:
        sys.meta_path.insert(0, _NoPandas())
