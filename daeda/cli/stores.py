"""The embedding stores of a service as they are now, asked of a process that has Lance: the driver never imports it."""

from __future__ import annotations

import argparse

from daeda.dataset.stores import Stores, stores_from_text
from daeda.errors import SubprocessFailed
from daeda.flags.given import forwarded, words_of
from daeda.flags.table import OUTPUT, PROJECT, STORES
from daeda.process.extras import require
from daeda.process.subprocesses import interruptible, run_subprocess


class StoresOfRun:
    """The stores of one run: looked at once, where they are needed first, and the same to the end of the run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._words = [*forwarded(arguments, PROJECT, OUTPUT), *words_of(STORES, True)]
        self.pinned: Stores | None = None

    def find(self) -> Stores:
        """The stores by name; SubprocessFailed where one is not as declared, which has been printed."""
        if self.pinned is None:
            require("stores")
            output: list[str] = []
            with interruptible() as state:
                code = run_subprocess("enrich", self._words, state, output=output)
            if code:
                raise SubprocessFailed(code)
            self.pinned = stores_from_text("".join(output))
        return self.pinned
