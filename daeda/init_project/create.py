"""A new project: files looked at, proposed, imported and written; nothing that exists is overwritten."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from daeda.errors import InputError, UsageError, counted, shortened
from daeda.importing.ledger import REJECTED
from daeda.init_project.aggregations_yaml import aggregations_yaml
from daeda.init_project.answers import Answering
from daeda.init_project.data import ViewData, data_in_place, import_view, is_plain
from daeda.init_project.days import Range, range_of
from daeda.init_project.found_files import FileGroup, find_groups
from daeda.init_project.profiling import tables_of
from daeda.init_project.proposal import Proposal, View
from daeda.init_project.propose import propose
from daeda.init_project.service_yaml import runtime_yaml, service_yaml
from daeda.init_project.tables import Table
from daeda.init_project.told import tell_end, tell_proposal, tell_tables, told_of_rejected
from daeda.init_project.view_yaml import view_yaml
from daeda.sql.locked import AllowedPaths, connect

Say = Callable[[str], None]
RUNTIME = "config/training/runtime.yaml"
AGGREGATIONS = "config/training/aggregations.yaml"
_MOST_TABLES = 20
_MEMORY = "2GB"


@dataclass(frozen=True)
class Created:
    """What was made: the proposal, the range of its days, and the files below the project.

    `told_of_rejected` says what to do about rows that were kept aside; it is empty where there are none, or where so
    many are allowed.
    """

    root: Path
    proposal: Proposal
    days: Range
    files: tuple[str, ...]
    told_of_rejected: str = ""


def create_project(
    root: Path, sources: Sequence[str], answering: Answering, say: Say, max_rejected: int | None = None
) -> Created:
    """Make a project of files in a directory; raises UserError before anything is written, or leaves nothing of it.

    With more rows of a file kept aside than `max_rejected` it leaves nothing, too, and raises RowsRejected.
    """
    _refuse_project(root)
    with tempfile.TemporaryDirectory(prefix="daeda-init-") as directory:
        scratch = Path(directory)
        groups = find_groups(sources, root if root.is_dir() else Path(), scratch)
        with contextlib.closing(_connected(groups, root, scratch)) as connection:
            tables = tables_of(connection, groups, scratch)
            return _create(root, sources, tables, connection, answering, say, max_rejected)


def _create(
    root: Path, sources: Sequence[str], tables: Sequence[Table], connection: duckdb.DuckDBPyConnection,
    answering: Answering, say: Say, max_rejected: int | None,
) -> Created:  # fmt: skip
    if len(tables) > _MOST_TABLES:
        raise InputError(
            f"{counted(len(tables), 'table')} in {shortened(list(sources) or [str(root)], 3)}, and init looks at "
            f"{_MOST_TABLES} at most: name fewer with --from"
        )
    tell_tables(tables, say)
    proposal = propose(connection, tables, answering)
    answering.refuse_unused()
    tell_proposal(proposal, say)
    written = [view for view in proposal.views if view.role != "apart"]
    names = _names(proposal, written)
    _refuse_files(root, [*names, *(f"data/{view.name}" for view in written if view.imported)])
    with _undone_on_failure(root) as made:
        data = {view.name: _data(connection, view, root, made, say) for view in written}
        rejected = told_of_rejected(root, data, max_rejected)
        days = range_of(proposal, data)
        tell_end(proposal.events, data[proposal.events.name], days.last, say)
        texts = [*(view_yaml(view, data[view.name]) for view in written), service_yaml(proposal)]
        texts += [aggregations_yaml(proposal), runtime_yaml(proposal, data[proposal.events.name], days)]
        for name, text in zip(names, texts, strict=True):
            _write_new(root / name, text, made)
    return Created(root, proposal, days, tuple(names), rejected)


def _names(proposal: Proposal, views: Sequence[View]) -> list[str]:
    """The files of YAML; runtime.yaml is the last, for with it a directory is a project."""
    own = [f"feature_views/{view.name}.yaml" for view in views]
    return [*own, f"feature_services/{proposal.service}.yaml", AGGREGATIONS, RUNTIME]


def _refuse_project(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is no directory: name one that is empty, or that does not exist yet")
    if (root / RUNTIME).exists():
        raise UsageError(
            f"{root / RUNTIME} exists: {root} is a project already, and init overwrites nothing: name another directory"
            f"{_begin_anew(root)}"
        )


def _begin_anew(root: Path) -> str:
    """What to remove of a project that init wrote; empty where it wrote none."""
    written = [root / RUNTIME, root / AGGREGATIONS, *sorted((root / "feature_services").glob("*.yaml"))]
    views = sorted((root / "feature_views").glob("*.yaml"))
    own = [path for path in [*written, *views] if _is_proposed(path)]
    data = [root / "data" / path.stem for path in own if path.parent.name == "feature_views"]
    removed = [str(path) for path in [*own, *data] if path.exists()]
    if root / RUNTIME not in own:
        return ""
    return f", or, to begin anew, remove what it wrote, with your changes to it: rm -r {shlex.join(removed)}"


def _is_proposed(path: Path) -> bool:
    try:
        return "Proposed by `daeda init`" in " ".join(path.read_text(encoding="utf-8").replace("#", " ").split())
    except (OSError, UnicodeDecodeError):
        return False


def _refuse_files(root: Path, names: Sequence[str]) -> None:
    there = [str(root / name) for name in names if (root / name).exists()]
    if there:
        raise UsageError(f"{shortened(there, 4)} exists, and init overwrites nothing: name another directory")


def _connected(groups: Sequence[FileGroup], root: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    folders = dict.fromkeys(str(path.parent) for group in groups for path in group.files)
    # DuckDB writes below data alone.
    allowed = AllowedPaths.of([*folders, scratch, str(root / "data")])
    return connect(allowed, {"temp_directory": str(scratch), "memory_limit": _MEMORY})


def _data(connection: duckdb.DuckDBPyConnection, view: View, root: Path, made: list[Path], say: Say) -> ViewData:
    if not view.imported:
        return data_in_place(connection, view, root)
    place = root / "data" / view.name
    place.parent.mkdir(parents=True, exist_ok=True)
    # What somebody made meanwhile is theirs.
    place.mkdir()
    made.append(place)
    found = import_view(connection, view, root, say)
    days = f", {found.first} to {found.last}" if found.first else ""
    say(f"imported {view.table.shown}: {counted(found.rows, 'row')}{days}, to {root / found.path}")
    if found.aside and not is_plain(view):
        why = "no time, or a cell of another type than its column"
        say(f"{view.table.shown}: {counted(found.aside, 'row')} kept aside in {place / REJECTED}: {why}")
    return found


@contextlib.contextmanager
def _undone_on_failure(root: Path) -> Iterator[list[Path]]:
    """Remove what was made where not all of it could be, and the directories that were made for it."""
    made: list[Path] = []
    there = {path for name in ("", "config", "config/training", "feature_views", "feature_services", "data")
             if (path := root / name).exists()}  # fmt: skip
    try:
        yield made
    except BaseException:
        for path in made:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for name in ("config/training", "config", "feature_views", "feature_services", "data", ""):
            if root / name not in there:
                with contextlib.suppress(OSError):
                    (root / name).rmdir()
        raise


def _write_new(path: Path, text: str, made: list[Path]) -> None:
    """Write a file that was not there; only then it is one of those that are `made`, and removed on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        made.append(path)
        file.write(text)
