"""What a command needs beyond the core: looked for before anything is done, never imported here."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from daeda.errors import UsageError

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
            f"{what} needs {', '.join(missing)}, not installed here: install the extra with "
            f"`pip install 'daeda[{extra}]'`"
        )


def install_command(extra: str) -> str:
    """The command that installs an extra, or daeda anew where it is empty, in the way in which daeda was installed."""
    from importlib import metadata

    wanted = f"[{extra}]" if extra else ""
    try:
        distribution = metadata.distribution("daeda")
    except metadata.PackageNotFoundError:
        return f"pip install 'daeda{wanted}'"
    installer = (distribution.read_text("INSTALLER") or "pip").strip()
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    parts = Path(sys.prefix).parts
    if "pipx" in parts:
        return f"pipx install --force 'daeda{wanted}'"
    if installer == "uv" and "tools" in parts:
        return f"uv tool install --force 'daeda{wanted}'"
    pip = "uv pip install" if installer == "uv" else "pip install"
    if origin.get("dir_info", {}).get("editable"):
        return f"{pip} -e {shlex.quote(unquote(urlsplit(origin['url']).path) + wanted)}"
    return f"{pip} 'daeda{wanted}'"
