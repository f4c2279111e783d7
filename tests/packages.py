"""The packages of the product: those that mypy checks."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: tuple[str, ...] = tuple(_PYPROJECT["tool"]["mypy"]["packages"])
