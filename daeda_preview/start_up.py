"""What a preview can do without while it starts: half of its seconds are imports."""

from __future__ import annotations

from daeda.catalog.project import Project
from daeda.process.start_up import leave_out


def without_pandas(project: Project) -> None:
    """Let this process be one without pandas, unless it calls functions of the user, who may want it.

    pyarrow imports pandas with the first array where it is installed; nothing here reads a frame of it.
    """
    if not project.aggregations.udf_specs:
        leave_out("pandas")
