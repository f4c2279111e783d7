"""Build the wheel, and try it with each extra alone in an environment that has nothing else.

    python -m tests.wheels.run [EXTRA ...]        all of them; `core` is none

The days that later extras read are those that the environment of `beam` has built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.projects import TinyProject
from tests.wheels.contents import build, missing_files

ROOT = Path(__file__).parents[2]
CSV = "user,at,price\n1,2024-01-01 10:00,1.5\n2,2024-01-02 11:00,x\n"
# Two weeks of events, for a first project.
LOG = "user_id,at,price\n" + "".join(
    f"u{number % 5},2024-01-{day:02} {hour:02}:00:00,{number}\n"
    for number, (day, hour) in enumerate((day, hour) for day in range(1, 15) for hour in range(0, 24, 2))
)
_MADE = ("--runtime-config-path", "made/config/training/runtime.yaml")
# What must not be in an environment of the core alone.
HEAVY = ("apache_beam", "ray", "lance", "llvmlite", "polars", "pandas", "botocore", "datasets")
_EXTENSION = "from daeda.doctor.software import _load as load; "
_DATASET = "import daeda; data = daeda.dataset('output', 'ranking'); "

# For each extra: commands (words of `daeda`), or a program for Python, and the exit code. They run in a project.
TRIED: Mapping[str, Sequence[tuple[Sequence[str] | str, int]]] = {
    "core": (
        (("--version",), 0),
        (("import", "new.csv", "--to", "imported", "--timestamp-field", "at", "--dtype", "price=double"), 1),
        (("init", "made", "--from", "log.csv", "--yes"), 0),
        (("check", *_MADE), 0),
        (("preview", *_MADE), 0),
        (("check",), 0),
        (("preview", "--output", "rows.parquet"), 0),
        (("plan",), 0),
        (("explain", "--sql"), 0),
        (("compile",), 0),
        (("catalog", "--html", "catalog.html"), 0),
        (("schema", "view"), 0),
        (("completion", "bash"), 0),
        (("doctor",), 1),
        (("report", "--output", "report.html"), 0),
        (("train", "--skeleton-only", "--output-root", "elsewhere"), 2),
        ("import daeda; print(daeda.project().preview())", 0),
        (f"import sys, importlib.util as u; sys.exit(str([m for m in {HEAVY} if u.find_spec(m)]) != '[]')", 0),
    ),
    "beam": ((("train", "--yes"), 0), (("verify", "ranking"), 0), (("audit", "leakage", "--quick"), 0)),
    "ray": (("import enrich.part.llvm_kernel, enrich.store.versions, ray", 0), (("check",), 0)),
    "polars": (
        (f"{_DATASET}import polars; assert isinstance(data.polars(), polars.LazyFrame)", 0),
        ("import beam_pipeline.windows.engines as e; e.engine_of('polars')", 0),
    ),
    "pandas": ((f"{_DATASET}import pandas; assert isinstance(data.pandas(), pandas.DataFrame)", 0),),
    "huggingface": ((f"{_DATASET}assert next(iter(data.huggingface()))", 0),),
    "s3": ((f"{_EXTENSION}assert load('httpfs', 's3') is None; import botocore", 0),),
    "postgres": ((f"{_EXTENSION}assert load('postgres_scanner', 'postgres') is None", 0),),
    "ducklake": ((f"{_EXTENSION}assert load('ducklake', 'ducklake') is None", 0),),
    "lineage": (("import daeda.lineage.events, daeda.lineage.sending; from daeda.process.extras import require; "
                 "require('lineage')", 0),),
}  # fmt: skip


def main(extras: Sequence[str]) -> int:
    """Try these extras, or all; returns how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        wheel = build(ROOT, here / "wheels")
        if missing := missing_files(ROOT, wheel):
            print(f"not in the wheel: {', '.join(missing)}", file=sys.stderr)
            return 1
        project = here / "project"
        _project(project)
        for extra in extras or TRIED:
            began = time.monotonic()
            problem = _try(here / "env", wheel, extra, project)
            failed += bool(problem)
            print(f"{extra}: {problem or 'ok'} ({time.monotonic() - began:.0f} s)", flush=True)
            shutil.rmtree(here / "env", ignore_errors=True)
    return failed


def _project(root: Path) -> None:
    """A project without vectors, a file to import, and one to begin with."""
    project = TinyProject(root)
    project.without_enrichment()
    project.write().write_data()
    (root / "new.csv").write_text(CSV)
    (root / "log.csv").write_text(LOG)


def _try(environment: Path, wheel: Path, extra: str, project: Path) -> str:
    """Install the wheel with an extra, and run what is tried; returns what went wrong."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin/python"
    wanted = f"daeda-features @ {wheel.as_uri()}" if extra == "core" else f"daeda-features[{extra}] @ {wheel.as_uri()}"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    if problem := _run([*install, "--constraint", ROOT / "constraints.txt", wanted], project, 0):
        return problem
    told = subprocess.run(
        [python, "-c", "import importlib.metadata as m, json; d = m.distribution('daeda-features'); "
         "print(json.dumps([d.version, d.metadata.get_all('Provides-Extra')]))"],
        capture_output=True, text=True, cwd=project, check=True,
    )  # fmt: skip
    version, provided = json.loads(told.stdout)
    if extra != "core" and extra not in provided:
        return f"the metadata of {version} has no extra {extra}"
    for words, code in TRIED[extra]:
        command = [python, "-c", words] if isinstance(words, str) else [environment / "bin/daeda", *words]
        if problem := _run(command, project, code):
            return problem
    return ""


def _run(command: Sequence[str | Path], project: Path, code: int) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == code:
        return ""
    return f"{' '.join(map(str, command[1:]))}: exit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
