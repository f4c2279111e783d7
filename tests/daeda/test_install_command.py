"""The command that installs an extra: a tool, which is installed anew, keeps the extras that it has."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from daeda import installed


class Installed:
    """A distribution with extras: pytest is here, of the others nothing is."""

    requires = (
        "duckdb>=1", 'pytest>=1; extra == "polars"', 'pytest>=1; extra == "ray"', 'no-such-thing; extra == "ray"',
        'no-such-thing>=2; extra == "beam"',
    )  # fmt: skip

    def __init__(self, installer: str) -> None:
        self._installer = installer

    def read_text(self, name: str) -> str | None:
        return self._installer if name == "INSTALLER" else None


@pytest.mark.parametrize(
    ("prefix", "installer", "extra", "command"),
    [
        ("/home/me/pipx/venvs/d", "pip", "beam", "pipx install --force 'daeda-features[beam,polars]'"),
        ("/home/me/pipx/venvs/d", "pip", "", "pipx install --force 'daeda-features[polars]'"),
        ("/home/me/uv/tools/d", "uv", "beam", "uv tool install --force 'daeda-features[beam,polars]'"),
        ("/home/me/venv", "uv", "beam", "uv pip install 'daeda-features[beam]'"),
        ("/home/me/venv", "pip", "", "pip install 'daeda-features'"),
    ],
)
def test_a_tool_keeps_its_extras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, installer: str, extra: str, command: str
) -> None:
    def version(name: str) -> str:
        if name == "no-such-thing":
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(installer))
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(installed, "ROOT", tmp_path)
    assert installed.install_command(extra) == command
