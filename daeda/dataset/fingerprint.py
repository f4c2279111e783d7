"""What decides the bytes of a day, digested: descriptions without paths, contents without names."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from daeda.dataset.manifest import ENRICHED_FORMAT_VERSION, ColumnIdentities, Fingerprint, Part, format_version
from daeda.dataset.stores import Stores
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Project, Scan
from daeda.operators.temporal import LabelAggregate
from daeda.operators.udf import RayUdfTransform
from daeda.sources.identity import combined_digest
from daeda.storage.state import InputFile

# Of a description, what says where the data is but not what it is.
_PATHS = frozenset({"path"})
# Of an operator that fills a column of vectors, what it and others are called.
_NAMES = frozenset({"name", "inputs", "output", "column", "source"})

# The setting of a label that is NULL on the day because it is not mature.
_LABEL, _NOT_MATURE = "label ", "not mature"
# The setting of an enriched day that names what is a label by its declaration.
_MARKED = "declared labels"


def operator_digests(operators: Iterable[Operator]) -> dict[str, str]:
    """Digest of each operator's normalised description, by operator name."""
    return {operator.name: _digest(description(operator)) for operator in operators}


def skeleton_fingerprint(
    digests: Mapping[str, str],
    inputs: Mapping[str, Iterable[InputFile]],
    rows_per_part: int,
    codes: Mapping[str, str] | None = None,
    immature: Iterable[str] = (),
) -> Fingerprint:
    """Fingerprint of a skeleton day. `digests` come from `operator_digests`, `inputs` are by Scan name.

    `codes` holds the digest of the code behind each function that the day calls, by import path. `immature` are the
    labels that are NULL on the day because they are not mature.
    """
    settings = {"rows_per_part": str(rows_per_part), "format_version": str(format_version(rows_per_part))}
    settings |= {f"{_LABEL}{name}": _NOT_MATURE for name in immature}
    return Fingerprint(
        operators=dict(digests),
        inputs={name: combined_digest(files) for name, files in inputs.items()},
        settings=settings | {f"code of {path}": code for path, code in (codes or {}).items()},
    )


def immature_labels(fingerprint: Fingerprint) -> frozenset[str]:
    """The labels that are NULL on the skeleton day of a fingerprint because they were not mature."""
    return frozenset(
        name.removeprefix(_LABEL)
        for name, value in fingerprint.settings.items()
        if name.startswith(_LABEL) and value == _NOT_MATURE
    )


def enriched_fingerprint(dag: Dag, parts: Iterable[Part], stores: Stores) -> Fingerprint:
    """Fingerprint of an enriched day: its Ray operators, the skeleton's parts, and number and content of each store."""
    used = {operator.store.name: stores[operator.store.name] for operator in dag.enrichments}
    return Fingerprint(
        operators=operator_digests((*dag.enrichments, dag.sink)),
        inputs={"skeleton": parts_digest(parts)} | {f"store {name}": store.content for name, store in used.items()},
        settings={"format_version": str(ENRICHED_FORMAT_VERSION)}
        | _marks(dag)
        | {f"version of store {name}": str(store.version) for name, store in used.items()},
    )


def _marks(dag: Dag) -> dict[str, str]:
    """The columns that are labels by `label: true`: they change its role, and no part of the skeleton."""
    makers = (operator for operator in dag.operators if isinstance(operator, Scan | Project))
    marked = sorted({column.name for operator in makers for column in operator.columns if column.label})
    return {_MARKED: ", ".join(marked)} if marked else {}


def parts_digest(parts: Iterable[Part]) -> str:
    """What tells the parts of a day from others: an enriched day has that of the skeleton that it is made of."""
    return _digest([(part.name, part.sha256) for part in parts])


def enriched_identities(dag: Dag, skeleton: ColumnIdentities, stores: Stores) -> ColumnIdentities:
    """What tells the columns of an enriched day from others: vectors by their operator, their ids and the store."""
    columns = dict(skeleton.columns)
    for operator in dag.enrichments:
        rest = {name: value for name, value in description(operator).items() if name not in _NAMES}
        rest["store"] = {name: value for name, value in rest["store"].items() if name != "name"}
        store = stores[operator.store.name]
        made = [rest, dag.relations[operator.output].column(operator.column).dtype.name, store.version, store.content]
        columns[operator.column] = _digest([*made, skeleton.columns[operator.source], str(ENRICHED_FORMAT_VERSION)])
    return replace(skeleton, columns=columns)


def description(operator: Operator) -> dict[str, Any]:
    """What an operator does, as JSON, without paths."""
    described: dict[str, Any] = _told_apart(operator.model_dump(), operator.model_dump(mode="json"))
    if isinstance(operator, RayUdfTransform):
        # A tag means another version from one run to the next: the number that it stood for is recorded in its place.
        del described["store"]["version"]
    if isinstance(operator, LabelAggregate):
        # Whether a label was mature is recorded of each day.
        for label in described["aggregates"]:
            label.pop("immature", None)
    normalised: dict[str, Any] = _normalised(described)
    return normalised


def _told_apart(value: Any, described: Any) -> Any:
    """The description of a value, with a mark for each number that JSON has no word for, and makes null of."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    if isinstance(value, dict) and isinstance(described, dict):
        return {key: _told_apart(value.get(key), item) for key, item in described.items()}
    if isinstance(value, list | tuple) and isinstance(described, list):
        return [_told_apart(item, description) for item, description in zip(value, described, strict=True)]
    return described


def _normalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normalised(item) for key, item in value.items() if key not in _PATHS}
    if isinstance(value, list):
        return [_normalised(item) for item in value]
    return value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
