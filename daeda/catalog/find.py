"""The runtime file of a service: by its name, in the project that the working directory is in.

config/training/runtime.yaml              of the one service that it names
config/training/<service>/runtime.yaml    of a service whose settings differ, with its own aggregations.yaml or none
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from daeda.errors import UsageError, did_you_mean
from daeda.settings.document import Mistakes, load_document

TRAINING = Path("config") / "training"
_NAME = "runtime.yaml"


def find_runtime(service: str | None, here: Path | None = None) -> Path:
    """The runtime file of a service, or the only one where no service is named; raises UsageError with what exists."""
    start = (here or Path.cwd()).absolute()
    root = find_root(start)
    files = _files_of(root)
    chosen = _only(files, root) if service is None else _of_service(service, files, root)
    return chosen.relative_to(root) if here is None and root == start else chosen


def runtime_files(here: Path | None = None) -> list[Path]:
    """Every runtime file of the project that `here` (the working directory) is in; raises UsageError without one."""
    found = find_root((here or Path.cwd()).absolute())
    return _files_of(found)


def find_root(start: Path) -> Path:
    """The project of a directory: it, or the nearest one above it, with a runtime file."""
    # The parents of a path with ".." are not the directories above it.
    start = Path(os.path.abspath(start))  # noqa: PTH100
    root = next((folder for folder in (start, *start.parents) if _files_of(folder)), None)
    if root is None:
        raise UsageError(
            f"no project here: neither {start} nor a directory above it has {TRAINING / _NAME}: run in a project, or "
            "give its file with --runtime-config-path"
        )
    return root


def aggregations_beside(runtime: Path, root: Path) -> Path:
    """aggregations.yaml of a runtime file: the one beside it, or that of the project."""
    beside = runtime.absolute().with_name("aggregations.yaml")
    by_name = beside.parent.parent == root / TRAINING
    return beside if by_name and beside.exists() else root / TRAINING / "aggregations.yaml"


def _files_of(root: Path) -> list[Path]:
    """The runtime files of a project: the one of its own, then those by name."""
    training = root / TRAINING
    named = sorted(training.glob(f"*/{_NAME}")) if training.is_dir() else []
    return [path for path in (training / _NAME, *named) if path.exists()]


def _only(files: Sequence[Path], root: Path) -> Path:
    if len(files) == 1 or files[0].parent == root / TRAINING:
        return files[0]
    names = ", ".join(f"'{path.parent.name}'" for path in files)
    raise UsageError(f"several services have a {_NAME} below {TRAINING}: name one of {names}")


def _of_service(service: str, files: Sequence[Path], root: Path) -> Path:
    plain, named = root / TRAINING / _NAME, root / TRAINING / service / _NAME
    if named in files:
        if plain in files and _service_in(plain, root) == service:
            raise UsageError(
                f"{plain.relative_to(root)} and {named.relative_to(root)} both belong to '{service}': keep one"
            )
        return named
    if plain in files:
        return plain
    names = [path.parent.name for path in files]
    raise UsageError(f"no {_NAME} of the service '{service}' below {TRAINING}: {did_you_mean(service, names)}")


def _service_in(path: Path, root: Path) -> object:
    """The service that a file names; what is wrong with the file is told when it is read for its service."""
    document = load_document(path, root, Mistakes())
    return document.data.get("service") if document is not None else None
