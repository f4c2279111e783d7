"""Have `train` publish days of both halves, and read them in the environment of Spark and HuggingFace.

    python -m tests.readers.run .venv-readers/bin/python

The projects `halves` and `floats` differ in the type of their vectors. Their parts have several pages of them, and one
day has more than ten parts.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from tests.projects import TinyProject

DIMENSION = 1152
ITEMS = 50
TESTS = ("tests/readers", "tests/daeda_data/test_readers.py", "tests/daeda_data/test_plain_readers.py")


def publish(root: Path, dtype: str) -> None:
    """Two days of `ranking`, with vectors of a type: 3,630 rows in twelve parts and more, and a few in one."""
    project = TinyProject(root)
    project.column("item_vector")["dtype"] = dtype
    project.base["vector_dim"] = DIMENSION
    project.runtime |= {
        "rows_per_part": 300,
        "ray": {"num_cpus": 2, "memory": "2GiB", "object_store_memory": "200MiB", "reserved_memory": "100MiB"},
    }
    noon = dt.datetime(2024, 1, 2, 12)
    project.data["events"] = [
        *project.data["events"],
        *((row % 7, row % (ITEMS + 5), noon + dt.timedelta(seconds=row), row / 4) for row in range(3630)),
    ]
    project.write().write_data()
    vectors = np.random.default_rng(7).standard_normal(ITEMS * DIMENSION).astype(np.float16)
    store = pa.FixedSizeListArray.from_arrays(pa.array(vectors), DIMENSION)
    table = pa.table({"item_id": pa.array(range(ITEMS), pa.int64()), "vector": store})
    lance.write_dataset(table, str(root / "data/vectors.lance"))
    command = [sys.executable, "-m", "daeda", "pipeline", "train", "ranking", "--yes"]
    subprocess.run([*command, "--runtime-config-path", str(project.runtime_path)], check=True)


def main() -> int:
    """Publish, and run the tests with the interpreter that is given."""
    python = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        for service, dtype in (("halves", "list<halffloat>"), ("floats", "list<float>")):
            publish(Path(directory) / service, dtype)
        environment = {**os.environ, "READERS_DAYS": directory, "HF_HUB_OFFLINE": "1", "HF_HOME": f"{directory}/cache"}
        tests = [python, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-W", "default", "-q", *TESTS]
        return subprocess.run(tests, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
