"""What the days would be built from now, without their input: the part of a fingerprint that the files decide."""

from __future__ import annotations

import json
from dataclasses import asdict

from daeda.catalog.project import Project
from daeda.compiler.compile import compile_runnable
from daeda.dataset.fingerprint import operator_digests, skeleton_fingerprint
from daeda.dataset.layout import Dataset
from daeda.dataset.manifest import ENRICHED_FORMAT_VERSION, Fingerprint
from daeda.planning.functions import function_codes


def configuration(project: Project) -> dict[Dataset, Fingerprint]:
    """The fingerprint of each dataset, with neither the input nor the stores of a day."""
    dag = compile_runnable(project)
    skeleton = dag.skeleton()
    digests, codes = operator_digests(skeleton.operators), function_codes(project, skeleton)
    fingerprints: dict[Dataset, Fingerprint] = {
        "skeleton": skeleton_fingerprint(digests, {}, project.runtime.rows_per_part, codes)
    }
    if dag.enrichments:
        operators = operator_digests((*dag.enrichments, dag.sink))
        fingerprints["enriched"] = Fingerprint(operators, {}, {"format_version": str(ENRICHED_FORMAT_VERSION)})
    return fingerprints


def configuration_text(project: Project) -> str:
    """The same as JSON, for a process that cannot compile."""
    return json.dumps({dataset: asdict(fingerprint) for dataset, fingerprint in configuration(project).items()})
