"""What a process leaves out that reads a project and does nothing else: libraries import what they find.

Functions of the user may want all of it, so that nothing is left out where there is one.
"""

from __future__ import annotations

from daeda.catalog.project import Project
from daeda.process.start_up import leave_out


def without_pandas(project: Project) -> None:
    """Let this process be one without pandas, which pyarrow imports with its first array: no frame is read here."""
    if not project.aggregations.udf_specs:
        leave_out("pandas")


def without_numpy(project: Project) -> None:
    """Let this process be one without numpy, which pyarrow imports, and which takes longer than all of pyarrow.

    Checks of days compare distributions by it; a plan, which reads footers, needs it for nothing else.
    """
    if not project.aggregations.udf_specs and not project.service.checks:
        leave_out("numpy", "pandas")
