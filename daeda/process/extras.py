"""What a command needs beyond the core: looked for before anything is done, never imported here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from daeda.errors import UsageError
from daeda.installed import install_command

Part = Literal[
    "skeleton",
    "enrichment",
    "stores",
    "vectors",
    "polars",
    "lineage",
    "Polars frames",
    "pandas frames",
    "HuggingFace datasets",
    "PyTorch tensors",
]

# Modules of each part, and the extra that installs them.
_NEEDS: dict[Part, tuple[str, tuple[str, ...], str]] = {
    "skeleton": ("the skeleton", ("apache_beam",), "beam"),
    "enrichment": ("the enrichment", ("ray", "lance"), "ray"),
    "stores": ("a service with embedding columns", ("lance",), "ray"),
    "polars": ("the rolling engine polars", ("polars",), "polars"),
    "lineage": ("--lineage", ("openlineage",), "lineage"),
    "vectors": ("the audit of embedding columns", ("lance",), "ray"),
    "Polars frames": ("a frame of Polars", ("polars",), "polars"),
    "pandas frames": ("a frame of pandas", ("pandas",), "pandas"),
    "PyTorch tensors": ("a dataset of PyTorch", ("torch",), "torch"),
    "HuggingFace datasets": ("a dataset of HuggingFace", ("datasets",), "huggingface"),
}


def require(part: Part) -> None:
    """Raise UsageError unless everything that the part needs is installed."""
    what, modules, extra = _NEEDS[part]
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{what} needs {', '.join(missing)}, not installed here: install the extra with `{install_command(extra)}`"
        )
