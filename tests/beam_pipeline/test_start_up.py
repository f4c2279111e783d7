"""What commands import: seconds of a small day, and of a plan, are those of what is imported.

No clock is asked. `-X importtime` tells the modules of a command, those of the process that it forks among them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from beam_pipeline.runners.in_process import runs_here
from tests.daeda.functions.project import FunctionProject
from tests.daeda.sources.test_columns import NOW, int96_project
from tests.projects import TinyProject

_IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
# What Beam imports where it is installed, and for readers that are none of ours. Python tells attempts, too: of numpy
# and of pandas a module behind the first one says that they were there.
_NOT_NEEDED = {
    "boto3", "botocore", "bson", "hdfs", "httplib2", "lance", "pandas.core.api", "polars", "pymongo",
    "pyparsing", "ray", "requests", "apache_beam.io.textio", "apache_beam.io.gcp.bigquery_tools",
    "daeda.answers",
}  # fmt: skip
_NOT_NEEDED_BY_A_PLAN = {
    "apache_beam", "asyncio", "daeda.checks", "daeda.compiler.pipeline_file", "daeda.statistics",
    "numpy.linalg", "pyarrow.compute", "pyarrow.dataset", "pydantic_settings",
}  # fmt: skip
_NAMES = """
import sys
{}
import apache_beam
module = type(sys)
print(*sorted(name for name, one in vars(apache_beam.io).items() if name[0] != "_" and not isinstance(one, module)))
print(apache_beam.io.ReadFromText.__module__, hasattr(apache_beam.io, "nothing"))
import pandas
from apache_beam.runners.portability import stager
print(type(stager.get_new_http()).__module__)
"""


def imported(root: Path, *words: str) -> set[str]:
    """The modules that a command of `python -m` imports, or what stands behind `-c`; it has to succeed."""
    command = [sys.executable, "-X", "importtime", *([] if words[0] == "-c" else ["-m"]), *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return {*_IMPORTED.findall(done.stderr)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("start")
    TinyProject(root).without_enrichment().write().write_data()
    return root


def test_a_day_on_the_direct_runner_imports_what_it_needs(root: Path) -> None:
    modules = imported(root, "beam_pipeline", "--target-date", "2024-01-02", "--runner", "DirectRunner")
    assert (root / "output/ranking/skeleton/dt=2024-01-02/_manifest.json").exists()
    assert "apache_beam.runners.portability.fn_api_runner.fn_runner" in modules
    assert _NOT_NEEDED & modules == set()


def test_a_plan_imports_no_engine_and_no_kernels(root: Path) -> None:
    modules = imported(root, "daeda", "plan")
    assert "daeda.planning.days" in modules
    assert (_NOT_NEEDED | _NOT_NEEDED_BY_A_PLAN) & modules == set()


def test_variables_are_read_by_what_only_they_need(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEDA_OUTPUT_ROOT", str(root / "elsewhere"))
    modules = imported(root, "daeda", "plan")
    assert _NOT_NEEDED_BY_A_PLAN & modules == {"asyncio", "pydantic_settings"}


def test_functions_of_the_user_find_numpy_and_pyarrow_together(tmp_path: Path) -> None:
    source = "import numpy\nimport pyarrow\n\nONE = pyarrow.array(numpy.ones(1))\n\n\ndef made(a):\n    return a\n"
    project = FunctionProject(tmp_path).calls(source, "made", ["amount"], "double").without_enrichment()
    project.write().write_data()
    assert "numpy.linalg" in imported(tmp_path, "daeda", "plan")


def test_checks_that_compare_days_are_imported_where_there_are_checks(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    project.service["checks"] = [{"drift": "psi", "below": 0.2}]
    project.write().write_data()
    assert {"daeda.statistics.drift", "numpy.linalg"} <= imported(tmp_path, "daeda", "plan")


def test_times_of_spark_are_checked_without_numpy(tmp_path: Path) -> None:
    for name, first, fits in (("right", NOW - 1000, True), ("wrong", NOW - 500, False)):
        int96_project(tmp_path / name, "timestamp[us]", [first, NOW]).without_enrichment().write()
        assert _NOT_NEEDED_BY_A_PLAN & imported(tmp_path / name, "daeda", "plan") == {"pyarrow.compute"}
        done = subprocess.run(
            [sys.executable, "-m", "daeda", "plan"], cwd=tmp_path / name, capture_output=True, text=True, check=True
        )
        assert ("blocked" in done.stdout, "build" in done.stdout) == (not fits, fits)


def test_in_a_process_of_somebody_else_nothing_is_left_out(root: Path) -> None:
    words = "from daeda.cli.main import main; main(['plan']); import pyarrow, numpy; pyarrow.array(numpy.arange(3))"
    assert "numpy.linalg" in imported(root, "-c", words)


def test_a_check_imports_no_frames(root: Path) -> None:
    assert {"pandas.core.api", "polars"} & imported(root, "daeda", "check") == set()


def test_beam_has_all_of_its_names_for_who_asks_for_them() -> None:
    def told(first: str) -> list[str]:
        words = [sys.executable, "-c", _NAMES.format(first)]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout.splitlines()

    late = told(
        "from beam_pipeline.runners.in_process import import_beam\n"
        "import_beam()\n"
        "import apache_beam.io as io\n"
        "assert 'apache_beam.io.textio' not in sys.modules\n"
        "io.ReadFromText"
    )
    whole = told("")
    assert {*whole[0].split()} <= {*late[0].split()}
    assert whole[1:] == late[1:] == ["apache_beam.io.textio False", "httplib2"]


def test_days_that_ask_at_once_find_the_names_of_beam() -> None:
    asked = """
import threading
from concurrent.futures import ThreadPoolExecutor
from beam_pipeline.runners.in_process import import_beam
import_beam()
import apache_beam.io as io
together = threading.Barrier(8)
def ask(_):
    together.wait()
    return io.ReadFromText.__name__
with ThreadPoolExecutor(8) as pool:
    print(*pool.map(ask, range(8)))
"""
    words = [sys.executable, "-c", asked]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.split() == ["ReadFromText"] * 8, done.stderr


def test_a_function_opens_paths_of_other_file_systems() -> None:
    """What is local imports none of them, and a path that has a scheme those that are installed."""
    told = """
import sys
from beam_pipeline.runners.in_process import import_beam
import_beam()
from apache_beam.io.filesystems import FileSystems
print(FileSystems.exists("/"), "apache_beam.io.aws.s3filesystem" in sys.modules)
print(FileSystems.join("s3://bucket", "key"))
try:
    FileSystems.open("nowhere://bucket/key")
except ValueError as error:
    print(error)
"""
    words = [sys.executable, "-c", told]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    local, joined, unknown = done.stdout.splitlines()
    assert (local, joined) == ("True False", "s3://bucket/key")
    assert unknown.startswith("Unable to get filesystem from specified path")


@pytest.mark.parametrize(
    ("words", "here"),
    [
        ("", True), ("--", True), ("--runner direct", True), ("-- --runner FnApiRunner", True),
        ("--runner=DirectRunner", True), ("--runner", False), ("--runner=flink", False),
        ("--runner PrismRunner", False),
        ("--runner DirectRunner --temp_location s3://bucket", False), ("--job_endpoint localhost:8099", False),
    ],
)  # fmt: skip
def test_flags_of_beam_that_need_the_rest_of_it_import_it(words: str, here: bool) -> None:
    assert runs_here(words.split()) is here
