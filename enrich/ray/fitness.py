"""Whether a node can work for a run: it may write the run's storage, and has software and code of the driver."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daeda.errors import DaedaError
from enrich.ray.here import look

# What decides the bytes of a part.
PACKAGES = ("daeda", "pylance", "pyarrow", "numpy", "llvmlite")
CODE = "enrich"


@dataclass(frozen=True)
class Fitness:
    """What every node must have: the run's own directory, these versions, and this code; `host` is the driver's."""

    host: str
    directory: str
    versions: Mapping[str, str]
    code: str

    @classmethod
    def of_the_driver(cls, directory: str) -> Fitness:
        """What this process has."""
        here = look(directory, PACKAGES, CODE)
        return cls(here["host"], directory, here["versions"], here["code"])

    def told_from_here(self, error: DaedaError) -> DaedaError:
        """An error of this process, with the name of its host where that is not the driver's."""
        host = socket.gethostname()
        return error if host == self.host else error.with_sentence(f"the worker on {host}: {error}")

    def problem_here(self) -> str | None:
        """The sentence for this process, None where it can work for the run."""
        return self.problem(look(self.directory, PACKAGES, CODE))

    def problem(self, seen: Mapping[str, Any]) -> str | None:
        """The sentence for a node that has this, None where it can work for the run."""
        worker = f"the worker on {seen['host']}"
        if not seen["code"]:
            return f"{worker} has no module '{CODE}': install daeda's wheel with the extra `ray` there"
        differing = [
            f"{name} {seen['versions'][name]} instead of {version}"
            for name, version in self.versions.items()
            if seen["versions"][name] != version
        ]
        if differing:
            return (
                f"{worker} has {', '.join(differing)}: install the same versions there, or days would depend on who "
                "built them"
            )
        if seen["code"] != self.code:
            return f"{worker} has other code of daeda's enrichment than the driver: install the same wheel there"
        if not seen["sees"]:
            return (
                f"{worker} does not see {self.directory}: data_root and output_root must lie on storage that every "
                "worker reaches by the same path"
            )
        if not seen["writes"]:
            return (
                f"{worker} may not write below {self.directory}: mount output_root for writing there, and start the "
                "worker as a user who may write what the driver writes"
            )
        return None
