"""Beam as the runner inside of this process needs it: half of the seconds of `import apache_beam` are for others.

Beam imports readers and writers of a dozen systems, with the libraries of each that is installed. A run in this process
hands day handles from one operator to the next, and reads nothing through Beam.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from daeda.process.start_up import left_out

IN_PROCESS = ("DirectRunner", "FnApiRunner")
_SPELLINGS = frozenset(spelling.lower() for name in IN_PROCESS for spelling in (name, name.removesuffix("Runner")))
_IO = "apache_beam.io"
# File systems, which Beam knows once their modules are imported.
_FILE_SYSTEMS = (
    f"{_IO}.gcp.gcsfilesystem",
    f"{_IO}.aws.s3filesystem",
    f"{_IO}.azure.blobstoragefilesystem",
    f"{_IO}.hadoopfilesystem",
)
# What Beam does without where it is not installed. Clients of Google's cloud alone take seconds.
_OPTIONAL = ("pandas", "google.cloud", f"{_IO}.gcp.bigquery", *_FILE_SYSTEMS)
# Modules whose names `apache_beam.io` has as its own, always and where it can.
_READERS = ("avroio", "mongodbio", "parquetio", "textio", "tfrecordio")
_READERS_OF_GOOGLE = ("gcp.bigquery", "gcp.pubsub")
# What Beam downloads by, which is nothing in a run in this process.
_HTTP = "apache_beam.internal.http_client"
# Threads that import the readers.
_importing: set[int] = set()


def runs_here(words: Sequence[str]) -> bool:
    """Whether Beam's flags ask for a runner in this process, and for nothing else.

    >>> runs_here([]), runs_here(["--runner", "DirectRunner"]), runs_here(["--runner=FlinkRunner"])
    (True, True, False)
    """
    match [word for word in words if word != "--"]:
        case []:
            return True
        case ["--runner", name]:
            return name.lower() in _SPELLINGS
        case [word] if word.startswith("--runner="):
            return word.removeprefix("--runner=").lower() in _SPELLINGS
        case _:
            return False


def import_beam() -> None:
    """Import Beam without what it does not need here; `apache_beam.io` has the rest of its names when one is asked for,
    and `FileSystems` knows others than the local one when a path has a scheme.

    What is left out is imported as ever by whoever asks for it later: a function of the user may.
    """
    if "apache_beam" in sys.modules:
        return
    stand_ins: dict[str, ModuleType] = {f"{_IO}.{name}": _Empty(f"{_IO}.{name}") for name in _READERS}
    stand_ins[_HTTP] = _Http(_HTTP)
    sys.modules.update(stand_ins)
    try:
        with left_out(*_OPTIONAL):
            importlib.import_module("apache_beam")
    finally:
        for name in stand_ins:
            del sys.modules[name]
    # Asked for by `getattr` alone, which finds it in the module itself.
    vars(sys.modules[_IO])["__getattr__"] = _name_of_a_reader
    _know_file_systems_later(sys.modules[f"{_IO}.filesystems"])


class _Empty(ModuleType):
    """A module from which nothing is imported with a star."""

    __all__ = ()


class _Http(ModuleType):
    """Beam's client, which is imported by who calls it."""

    @staticmethod
    def get_new_http(*arguments: Any, **named: Any) -> Any:
        return importlib.import_module(_HTTP).get_new_http(*arguments, **named)


def _know_file_systems_later(module: Any) -> None:
    """All of `FileSystems` asks `get_filesystem`: it imports what was left out when a path has a scheme."""
    systems = module.FileSystems
    original = systems.get_filesystem

    def get_filesystem(path: str) -> Any:
        if systems.get_scheme(path) is not None:
            for name in _FILE_SYSTEMS:
                # As Beam itself does: what is not installed is not there.
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)
            systems.get_filesystem = staticmethod(original)
        return original(path)

    systems.get_filesystem = staticmethod(get_filesystem)


def _name_of_a_reader(name: str) -> Any:
    """A name that `apache_beam.io` would have, once all of its modules are imported.

    Days are built by threads, and several may ask at once: each of them imports the modules, as far as they are not
    there, or waits for them by Python's own locks. What these modules ask for meanwhile is not here.
    """
    package, thread = sys.modules[_IO], threading.get_ident()
    if not name.startswith("__") and thread not in _importing:
        _importing.add(thread)
        try:
            for reader in _READERS:
                _take_names(package, reader)
            with contextlib.suppress(ImportError):
                for reader in _READERS_OF_GOOGLE:
                    _take_names(package, reader)
        finally:
            _importing.discard(thread)
        vars(package).pop("__getattr__", None)
        if name in vars(package):
            return vars(package)[name]
    raise AttributeError(f"module '{_IO}' has no attribute '{name}'")


def _take_names(package: ModuleType, reader: str) -> None:
    module = importlib.import_module(f"{_IO}.{reader}")
    vars(package).update({name: getattr(module, name) for name in module.__all__})
