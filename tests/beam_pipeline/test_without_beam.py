"""A day needs no Beam: what carries it out imports where Beam cannot be imported."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys

import pytest

FOLDERS = ["day", "history", "session", "windows", "workers", "in_memory"]
# A finder before all others: Beam is installed here, and is not to be found.
IMPORT = """
import importlib, sys
class NoBeam:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "apache_beam":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoBeam())
for name in sys.argv[1:]:
    importlib.import_module(name)
assert "apache_beam" not in sys.modules
from beam_pipeline import DayHandle, DayLimits, RunContext, open_run
"""


@pytest.mark.some(1)
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_without_beam(folder: str) -> None:
    package = f"beam_pipeline.{folder}"
    spec = importlib.util.find_spec(package)
    assert spec is not None
    modules = pkgutil.walk_packages(spec.submodule_search_locations, f"{package}.")
    names = [package, *(module.name for module in modules)]
    assert len(names) > 3
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORT, *names], check=True, timeout=300)
