"""`import daeda` loads nothing, and has names that are loaded when they are asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

import daeda
import daeda.errors
import daeda_python.project

LOADED = """
import sys
before = set(sys.modules)
import daeda
print(sorted(set(sys.modules) - before))
daeda.ConfigurationError, daeda.project, daeda.DataWarning
heavy = {"apache_beam", "ray", "lance", "duckdb", "pandas", "polars", "numpy", "pyarrow", "sqlglot", "IPython"}
print(sorted(heavy & set(sys.modules)))
"""


def test_import_loads_nothing_and_a_project_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['daeda']", "[]"]


def test_every_public_name_is_there() -> None:
    assert daeda.__version__ == version("daeda-features")
    assert daeda.project is daeda_python.project.project
    assert daeda.ConfigurationError is daeda.errors.ConfigurationError
    assert {*daeda.__all__} <= {*dir(daeda)}
    assert all(getattr(daeda, name) is not None for name in dir(daeda))


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"^module 'daeda' has no attribute 'trian'$"):
        daeda.trian  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_of_days_is_the_function_that_opens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import daeda.dataset.layout

    asked: list[object] = []
    readers = SimpleNamespace(dataset=lambda *arguments, **named: asked.append((arguments, named)))
    monkeypatch.setitem(sys.modules, "daeda_data", readers)
    daeda.dataset("output", "ranking", split="train")
    assert asked == [(("output", "ranking"), {"split": "train"})]
    assert daeda.dataset.layout is sys.modules["daeda.dataset.layout"]
