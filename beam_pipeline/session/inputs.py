"""The files that the Scans of a day read: found and identified once, so that every Scan sees the same state of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from beam_pipeline.session.input_check import check_input
from beam_pipeline.workers.context import RunContext
from daeda.dataset.identity import Recipes, ScanInputs, identities_of_day
from daeda.dataset.manifest import ColumnIdentities, DamagedManifest, DayName, read_manifest
from daeda.errors import DayError, shortened
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.identity import Identities, check_unchanged
from daeda.sources.listing import find_files
from daeda.sources.partitions import files_needed
from daeda.storage.state import InputFile

_identities = Identities()


@dataclass(frozen=True)
class ScannedFiles:
    """What a Scan of the day reads: all files of its view, and those that the day needs, identified, by path."""

    scan: Scan
    view_files: SourceFiles
    needed: Mapping[str, InputFile]


def _published_inputs(context: RunContext, day: dt.date) -> tuple[InputFile, ...]:
    """The files that a published day read, which need not be digested again."""
    layout = context.staging.layout
    try:
        manifest = read_manifest(layout.day_dir("skeleton", day), DayName(layout.service, "skeleton", day))
    except DamagedManifest:
        return ()
    return () if manifest is None else manifest.inputs


class DayInputs:
    """What each Scan of a day reads, by its name."""

    def __init__(self, context: RunContext, day: dt.date) -> None:
        self._context = context
        self._day = day
        # By path of the view; two views of one table have an export each.
        self._listed: dict[str, SourceFiles] = {}
        self._identified: dict[str, InputFile] = {}
        if context.extending is not None:
            _identities.learn(_published_inputs(context, day))
        self.scanned: Mapping[str, ScannedFiles] = {}

    def read(self, scan: Scan, digest: str) -> ScannedFiles:
        """Find and identify the files that a Scan, which has this digest, reads; see that each of them was checked.

        Raises InputError where a file was not checked before, or has changed since, and does not fit the view; and
        DayError where one has vanished.
        """
        view_files = self._list_files(scan)
        checked = self._context.checked()
        vanished = checked.vanished(scan, self._day, view_files)
        if vanished:
            raise DayError(
                f"{shortened(vanished, 3)} vanished after the run had begun: run again when the input is complete"
            )
        if (before := checked.listed.get(scan.name)) is not None:
            view_files = replace(view_files, complete_before=before.complete_before)
        needed = {path: self._identify(scan, path, view_files) for path in files_needed(scan, view_files, self._day)}
        for file in needed.values():
            if not checked.covers(scan, file):
                check_input(scan, digest, file, view_files)
        found = ScannedFiles(scan, view_files, needed)
        # Anew, for operators that run beside this one may be going through those that are there.
        self.scanned = {**self.scanned, scan.name: found}
        return found

    def use_listing(self, files: Iterable[SourceFiles]) -> None:
        """Read what was listed before, by the path of each view, and do not list it again."""
        self._listed |= {listed.path: listed for listed in files}

    def by_scan(self) -> dict[str, tuple[InputFile, ...]]:
        """The files that were read, by name of the Scan."""
        return {name: tuple(scanned.needed.values()) for name, scanned in self.scanned.items()}

    def identities(self, recipes: Recipes) -> ColumnIdentities:
        """What tells the rows and the columns of the day from others, by the files that were read."""
        given = {name: ScanInputs(scanned.view_files, scanned.needed) for name, scanned in self.scanned.items()}
        return identities_of_day(recipes, given, self._day)

    def for_manifest(self) -> tuple[InputFile, ...]:
        """All files as the manifest lists them: an export by what was read, since its file goes with the run."""
        shown = {export.path: export.reference for export in self._context.exports.values()}
        files = (file for _, files in sorted(self.by_scan().items()) for file in files)
        return tuple(replace(file, path=shown[file.path]) if file.path in shown else file for file in files)

    def check_unchanged(self) -> None:
        """Raise DayError when a file changed while the day was built."""
        check_unchanged(file for files in self.by_scan().values() for file in files)

    def _identify(self, scan: Scan, path: str, view_files: SourceFiles) -> InputFile:
        found = self._identified.get(path)
        if found is None:
            found = self._identified[path] = _identities.of(scan.name, path, view_files)
        return found if found.operator == scan.name else replace(found, operator=scan.name)

    def _list_files(self, scan: Scan) -> SourceFiles:
        """The files of a view, listed once for the day, whatever comes and goes meanwhile."""
        path = self._context.source_path(scan.path)
        export = self._context.exports.get(scan.view)
        key = export.path if export else path
        if key not in self._listed:
            listed = export.files(path) if export else find_files(scan.path, scan.view, self._context.data_root)
            self._listed[key] = listed
        return self._listed[key]
