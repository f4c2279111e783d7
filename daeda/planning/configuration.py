"""What the days would be built from now, but for their input: operators, settings, and the code of functions."""

from __future__ import annotations

import json
from dataclasses import asdict

from daeda.catalog.project import Project
from daeda.compiler.compile import compile_runnable
from daeda.compiler.edited import edited_path
from daeda.dataset.fingerprint import operator_digests, skeleton_fingerprint
from daeda.dataset.layout import Dataset
from daeda.dataset.manifest import ENRICHED_FORMAT_VERSION, Fingerprint
from daeda.errors import ConfigurationError
from daeda.functions.loading import load_function
from daeda.operators.dag import Dag
from daeda.operators.udf import ArrowUdfTransform
from daeda.settings.document import Mistakes


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


def function_codes(project: Project, dag: Dag) -> dict[str, str]:
    """The digest of the code behind each function, by import path.

    Raises ConfigurationError with a line for each function that cannot be imported, or called with its columns.
    """
    mistakes = Mistakes()
    codes: dict[str, str] = {}
    seconds = float(project.runtime.timeouts.function_seconds)
    for operator in dag.operators:
        if not isinstance(operator, ArrowUdfTransform):
            continue
        try:
            codes[operator.function] = load_function(operator.function, project.root, operator.columns, seconds).code
        except ConfigurationError as error:
            mistakes.add(_place(project, operator), str(error))
    mistakes.raise_if_any()
    return codes


def _place(project: Project, operator: ArrowUdfTransform) -> str:
    """The line of the spec; a hand-edited pipeline may call a function that no spec names."""
    for index, spec in enumerate(project.aggregations.udf_specs):
        if (spec.name, spec.function) == (operator.result, operator.function):
            return project.where("aggregations", ("udf_specs", index, "function"))
    edited = edited_path(project)
    shown = f"{edited.relative_to(project.root)}: " if edited.exists() else ""
    return f"{shown}operator '{operator.name}' ({operator.op_kind})"
