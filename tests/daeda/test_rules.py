"""Rules of the house that only a process of its own can show: what is imported, and when."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The name by which nobody gets daeda from PyPI: there it is a package of others.
FOREIGN = re.compile(r"\b(?:pip3?|pipx|tool)\s+install\s+(?:-\S+\s+)*['\"]?daeda(?![\w-])|\bdaeda\[\w")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_line_answers_before_anything_heavy_is_imported() -> None:
    heavy = ["pydantic", "pydantic_settings", "duckdb", "pyarrow", "sqlglot", "rich", "numpy", "yaml"]
    done = run(f"import sys, daeda.cli.main; print([name for name in {heavy} if name in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_no_module_of_the_core_imports_an_engine_of_an_executor() -> None:
    done = run(
        "import importlib, pkgutil, sys, daeda\n"
        "names = [one.name for one in pkgutil.walk_packages(daeda.__path__, 'daeda.')]\n"
        "for name in names:\n"
        "    name.endswith('__main__') or importlib.import_module(name)\n"
        "forbidden = ['apache_beam', 'ray', 'lance', 'beam_pipeline', 'enrich', 'polars', 'pandas']\n"
        "print(len(names) > 30, [name for name in forbidden if name in sys.modules])"
    )
    assert (done.stdout, done.stderr) == ("True []\n", "")


def test_help_is_on_stdout_and_names_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daeda", "pipeline", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: daeda pipeline [-h] COMMAND ...\n")
    for command in ("train", "plan", "explain", "compile"):
        assert f"    {command} " in done.stdout
    assert run("from daeda.cli.main import main; main(['--help'])").stdout.startswith(
        "usage: daeda [-h] [--version] COMMAND ...\n"
    )


def test_no_text_tells_to_install_a_package_of_others() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in filter(None, tracked.split("\0")):
        if not name.endswith((".svg", ".png", ".min.js")) and name != "tests/daeda/test_rules.py":
            text = (ROOT / name).read_bytes().decode("utf-8", "replace")
            found += [f"{name}: {match[0]}" for match in FOREIGN.finditer(text)]
    assert found == []
    assert FOREIGN.search("pip install 'daeda[ray]'")
    assert FOREIGN.search("uv pip install daeda")
    assert not FOREIGN.search("pip uninstall daeda, pip install 'daeda-features[ray]'")
