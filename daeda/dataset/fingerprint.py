"""What decides the bytes of a day, digested: descriptions without paths, contents without names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from daeda.dataset.manifest import ENRICHED_FORMAT_VERSION, FORMAT_VERSION, Fingerprint, InputFile, Part
from daeda.dataset.sources import combined_digest
from daeda.operators.dag import Dag, Operator

# Of a description, what says where the data is but not what it is.
_PATHS = frozenset({"path"})


def operator_digests(operators: Iterable[Operator]) -> dict[str, str]:
    """Digest of each operator's normalised description, by operator name."""
    return {operator.name: _digest(_normalised(operator.model_dump(mode="json"))) for operator in operators}


def skeleton_fingerprint(
    digests: Mapping[str, str],
    inputs: Mapping[str, Iterable[InputFile]],
    rows_per_part: int,
    codes: Mapping[str, str] | None = None,
) -> Fingerprint:
    """Fingerprint of a skeleton day. `digests` come from `operator_digests`, `inputs` are by Scan name.

    `codes` holds the digest of the code behind each function that the day calls, by import path.
    """
    settings = {"rows_per_part": str(rows_per_part), "format_version": str(FORMAT_VERSION)}
    return Fingerprint(
        operators=dict(digests),
        inputs={name: combined_digest(files) for name, files in inputs.items()},
        settings=settings | {f"code of {path}": code for path, code in (codes or {}).items()},
    )


def enriched_fingerprint(dag: Dag, parts: Iterable[Part]) -> Fingerprint:
    """Fingerprint of an enriched day: its Ray operators (with the store's version) and the skeleton's parts."""
    parts_digest = _digest([(part.name, part.sha256) for part in parts])
    return Fingerprint(
        operators=operator_digests((*dag.enrichments, dag.sink)),
        inputs={"skeleton": parts_digest},
        settings={"format_version": str(ENRICHED_FORMAT_VERSION)},
    )


def _normalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normalised(item) for key, item in value.items() if key not in _PATHS}
    if isinstance(value, list):
        return [_normalised(item) for item in value]
    return value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
