"""DuckDB's dialect is there before two threads can ask for it at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packages import PACKAGES

REPOSITORY = Path(__file__).parents[3]
# Two threads of a fresh process make their first SQL; where the dialect is loaded only then, the second one asks in the
# middle of that, between the registration of the class and its completion.
TWO_AT_ONCE = """
import importlib, sys, threading
from sqlglot import exp
from sqlglot.dialects.dialect import _Dialect

registered, made, begun = threading.Event(), threading.Event(), threading.Event()

class Classes(dict):
    def __setitem__(self, name, dialect):
        super().__setitem__(name, dialect)
        if name == "duckdb" and begun.is_set():
            registered.set()
            made.wait(20)

_Dialect._classes = Classes(_Dialect._classes)
importlib.import_module(sys.argv[1])
begun.set()
statements = []

def make():
    statements.append(exp.Array(expressions=[exp.Literal.string("/a")]).sql("duckdb"))

def second():
    registered.wait(20)
    make()
    made.set()

if "duckdb" in _Dialect._classes:
    registered.set()
thread = threading.Thread(target=second)
thread.start()
make()
thread.join()
print(statements)
"""
# What a process imports before it makes SQL: a worker, the driver, an export, a pipeline of one's own.
ENTRIES = (
    "beam_pipeline.transforms",
    "daeda.planning.explain_sql",
    "daeda.sources.exports.process",
    "daeda.sql.locked",
)


@pytest.mark.parametrize("module", ENTRIES)
def test_two_threads_that_make_their_first_sql_at_once_make_that_of_duckdb(module: str) -> None:
    words = [sys.executable, "-c", TWO_AT_ONCE, module]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "[\"['/a']\", \"['/a']\"]\n"


def test_a_module_that_uses_sqlglot_imports_the_package_that_loads_the_dialect() -> None:
    modules = {path: path.read_text() for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")}
    using = [path for path, text in modules.items() if re.search(r"^\s*(from|import) sqlglot", text, re.MULTILINE)]
    assert len(using) > 10
    without = [
        path
        for path in using
        if path.parent != REPOSITORY / "daeda" / "sql"
        and not re.search(r"^from daeda\.sql(\.\w+)? import ", modules[path], re.MULTILINE)
    ]
    assert [str(path.relative_to(REPOSITORY)) for path in without] == []
