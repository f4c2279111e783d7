"""The same bytes whatever the host is: its zone, language, home, threads, instructions, hash seed, umask, directory.

Each environment is a process of its own, and its digests are compared with those of a plain one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.budget import LONG

ROOT = Path(__file__).parents[2]
# Settings that a user may have for DuckDB's own shell: they are none of daeda's.
SHELL = "SET TimeZone = 'Asia/Tokyo';\nSET default_null_order = 'nulls_first';\nSET default_order = 'desc';\n"
ENVIRONMENTS = {
    "zone, language and home": {
        "TZ": "America/New_York", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7",
        "DUCKDB_TIMEZONE": "Asia/Tokyo", "PGTZ": "Asia/Tokyo",
    },
    "a zone that is none": {"TZ": "/no/such/zone", "LC_ALL": "C", "PYTHONHASHSEED": "11", "PYTHONUTF8": "1"},
    "instructions and threads": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "ARROW_USER_SIMD_LEVEL": "NONE",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "ARROW_IO_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore",
    },
}  # fmt: skip

# What differs in several ways at once, for a run that is to be short.
ZONE, NO_ZONE, HOST = ENVIRONMENTS
TOGETHER = {
    f"{ZONE}, {HOST}": {**ENVIRONMENTS[HOST], **ENVIRONMENTS[ZONE]},
    NO_ZONE: ENVIRONMENTS[NO_ZONE],
}


def digests(root: Path, engine: str, given: dict[str, str], umask: int = 0o022) -> list[str]:
    """The lines of a build in a process with this environment, whose working directory is its home."""
    home = root / "home"
    home.mkdir(parents=True)
    (home / ".duckdbrc").write_text(SHELL)
    kept = {name: value for name, value in os.environ.items() if name not in ("TZ", "LC_ALL", "LANG")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(home), **given}
    words = [sys.executable, "-m", "tests.determinism.build", str(root / "project"), engine]
    done = subprocess.run(
        words, env=environment, cwd=home, capture_output=True, text=True, check=False, umask=umask, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_the_bytes_do_not_depend_on_the_environment(tmp_path: Path, engine: str) -> None:
    plain = digests(tmp_path / "plain", engine, {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"})
    assert [line.split()[0] for line in plain] == ["skeleton"] * 2 + ["enriched"] * 2
    environments = ENVIRONMENTS if LONG else TOGETHER
    for number, (name, given) in enumerate(environments.items()):
        assert digests(tmp_path / str(number), engine, given, umask=0o077) == plain, name
    _assert_telling(tmp_path / "plain/project/output/ranking/skeleton/dt=2024-01-03/part-0-0.parquet")


def _assert_telling(path: Path) -> None:
    """What could depend on the zone or the language has values that tell."""
    rows = pq.read_table(path, partitioning=None).to_pylist()
    assert len(rows) == 294
    assert {row["shown"][-3:] for row in rows} == {"+00"}
    assert {row["day_seen"] == row["seen"].date() for row in rows} == {True}
    assert len({row["mornings"] for row in rows}) > 5
    assert len({row["indigo"] for row in rows}) > 5
    assert len({row["early"] for row in rows}) > 5
