"""What a command needs beyond the core: looked for before anything is done, never imported here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from daeda.errors import UsageError

Part = Literal["skeleton", "enrichment", "stores", "vectors", "polars"]

# Modules of each part, and the extra that installs them.
_NEEDS: dict[Part, tuple[str, tuple[str, ...], str]] = {
    "skeleton": ("the skeleton", ("apache_beam",), "beam"),
    "enrichment": ("the enrichment", ("ray", "lance"), "ray"),
    "stores": ("a service with embedding columns", ("lance",), "ray"),
    "polars": ("the rolling engine polars", ("polars",), "polars"),
    "vectors": ("the audit of embedding columns", ("lance",), "ray"),
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
