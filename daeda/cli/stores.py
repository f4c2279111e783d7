"""The embedding stores of a service as they are now, asked of a process that has Lance: the driver never imports it."""

from __future__ import annotations

import argparse

from daeda.cli.flags import as_flags
from daeda.dataset.stores import Stores, stores_from_text
from daeda.errors import SubprocessFailed
from daeda.process.extras import require
from daeda.process.subprocesses import interruptible, run_subprocess

_PROJECT_FLAGS = {
    "runtime_config_path": "--runtime-config-path",
    "aggregation_config_path": "--aggregation-config-path",
    "feature_views_dir": "--feature-views-dir",
    "feature_services_dir": "--feature-services-dir",
    "output_root": "--output-root",
}


class StoresOfRun:
    """The stores of one run: looked at once, where they are needed first, and the same to the end of the run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._words = as_flags(arguments, _PROJECT_FLAGS)
        self.pinned: Stores | None = None

    def find(self) -> Stores:
        """The stores by name; HalfFailed where one is not as declared, which has been told."""
        if self.pinned is None:
            require("stores")
            said: list[str] = []
            with interruptible() as state:
                code = run_subprocess("enrich", [*self._words, "--stores"], state, output=said)
            if code:
                raise SubprocessFailed(code)
            self.pinned = stores_from_text("".join(said))
        return self.pinned
