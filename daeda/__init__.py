"""Declarative YAML to point-in-time-correct training data.

    import daeda

    project = daeda.project()                        the project that the working directory is in
    project.plan("ranking")                          what train would build, and why
    project.train("ranking", start="-7d")            the days that are missing or stale
    project.features(frame, "ranking")               features of rows of your own, as train makes them
    daeda.dataset("output", "ranking").polars()      what is published

This module has the names below and loads what is behind one of them when it is asked for, so that `import daeda` loads
nothing. What else lies in the package is the core and the driver of the command line, and no interface.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from daeda.errors import (
        ChangedMeanwhile,
        ConfigurationError,
        DaedaError,
        DayError,
        InputError,
        NotBuiltYet,
        StorageError,
        UsageError,
        UserError,
    )
    from daeda_data import dataset
    from daeda_python.project import Project, project
    from daeda_python.told import DataWarning

    __version__: str

__all__ = [
    "ChangedMeanwhile",
    "ConfigurationError",
    "DaedaError",
    "DataWarning",
    "DayError",
    "InputError",
    "NotBuiltYet",
    "Project",
    "StorageError",
    "UsageError",
    "UserError",
    "__version__",
    "dataset",
    "project",
]

# Where each name is, if not in `daeda.errors`. `daeda.dataset` is a package, which can be called.
_HOMES = {"DataWarning": "daeda_python.told", "Project": "daeda_python.project", "project": "daeda_python.project"}


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first asked for."""
    from importlib import import_module

    if name == "__version__":
        found: Any = import_module("daeda.installed").VERSION
    elif name == "dataset":
        return import_module("daeda.dataset")
    elif name in __all__:
        found = getattr(import_module(_HOMES.get(name, "daeda.errors")), name)
    else:
        raise AttributeError(f"module 'daeda' has no attribute '{name}'")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names."""
    return __all__
