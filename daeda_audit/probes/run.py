"""What the probes of one audit share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda_audit.declared import Declared
from daeda_audit.inputs.external import ExternalInputs
from daeda_audit.report import Progress


@dataclass(frozen=True)
class AuditRun:
    """The project, its output columns, its inputs, the flags of the command, and how far the audit is."""

    project: Project
    declared: Sequence[Declared]
    external: ExternalInputs
    arguments: argparse.Namespace
    progress: Progress
