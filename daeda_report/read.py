"""What the days of a report were made from: files with their sizes, software, and the fingerprints that they share."""

from __future__ import annotations

from typing import Any

from daeda.catalog.project import Project
from daeda.dataset.manifest import Manifest
from daeda.operators.dag import Dag
from daeda_report.days import DaysOfReport

# Files that are listed one by one; of more the days tell how many they read.
_MOST_FILES = 4_000


def read_views(project: Project, dag: Dag, days: DaysOfReport) -> list[dict[str, Any]]:
    """By view: files and bytes that each day read, and each file once with the days from the first to the last."""
    scans = {scan.name: scan.view for scan in dag.scans}
    views: dict[str, dict[str, Any]] = {}
    listed = 0
    for index, manifest in enumerate(days.datasets["skeleton"].manifests):
        for view, files in ({} if manifest is None else _files_of(manifest, scans)).items():
            entry = views.setdefault(view, _entry(project, view, len(days.days)))
            entry["files"][index], entry["bytes"][index] = len(files), sum(files.values())
            for path, size in files.items():
                known = entry["paths"].get(path)
                if known is not None:
                    known[2] = index
                elif listed < _MOST_FILES:
                    entry["paths"][path] = [size, index, index]
                    listed += 1
                else:
                    entry["more"] += 1
    return [
        {**entry, "name": view, "paths": [[path, *told] for path, told in sorted(entry["paths"].items())]}
        for view, entry in views.items()
    ]


def _entry(project: Project, view: str, number: int) -> dict[str, Any]:
    declared = project.views.get(view)
    return {
        "description": declared.description if declared is not None else "",
        "source": declared.source.reference if declared is not None else "",
        "files": [None] * number,
        "bytes": [None] * number,
        "paths": {},
        "more": 0,
    }


def _files_of(manifest: Manifest, scans: dict[str, str]) -> dict[str, dict[str, int]]:
    """Sizes by view and path: a file that two Scans read was read from one place."""
    found: dict[str, dict[str, int]] = {}
    for file in manifest.inputs:
        # A Scan of a pipeline of before is told by its own name.
        found.setdefault(scans.get(file.operator, file.operator), {})[file.path] = file.size
    return found


def software_of(days: DaysOfReport) -> list[dict[str, Any]]:
    """By dataset: days that were made alike, in software and fingerprint; `parts` are digests that are cut."""
    groups: dict[tuple[object, ...], dict[str, Any]] = {}
    for dataset, of in days.datasets.items():
        for index, manifest in enumerate(of.manifests):
            if manifest is None:
                continue
            fingerprint = manifest.fingerprint
            key = (
                dataset,
                tuple(sorted(manifest.software.items())),
                tuple(sorted(fingerprint.operators.items())),
                tuple(sorted(fingerprint.settings.items())),
            )
            group = groups.setdefault(
                key,
                {
                    "dataset": dataset,
                    "software": dict(manifest.software),
                    "settings": dict(fingerprint.settings),
                    "operators": {name: digest[:12] for name, digest in fingerprint.operators.items()},
                    "days": [],
                },
            )
            group["days"].append(index)
    return list(groups.values())
