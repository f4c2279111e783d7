"""A published day that is read: the files of one publication, of which Python keeps nothing for Arrow's threads."""

from __future__ import annotations

import collections
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.layout import Layout, part_name
from daeda.dataset.publish.publish import prepare_day, publish_day
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.read import open_day
from tests.daeda.dataset.test_staging import DAY, manifest_of

# Reads in a fork each, which Python ends as it does: the fork has no more to do when Arrow's threads let go.
ENDING = """
import os, sys
from pathlib import Path

import pyarrow.dataset
import pyarrow.parquet as pq

from daeda.dataset.read import open_day

for _ in range(int(sys.argv[2])):
    process = os.fork()
    if process == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
else:
    raise SystemExit(0)

with open_day(Path(sys.argv[1])) as day:
    tables = [pq.read_table(file) for file in day.files]
"""


def publish(layout: Layout, values: list[int]) -> Path:
    with open_staging(layout) as staging:
        ready = prepare_day(staging, "skeleton", DAY, "a")
        for number in range(3):
            table = pa.table({f"column{column}": values for column in range(20)})
            pq.write_table(table, ready / part_name(number))
        publish_day(staging, "skeleton", DAY, ready, manifest_of(ready, len(values)))
    return Path(str(layout.day_dir("skeleton", DAY)))


def test_an_open_day_is_read_to_its_end_as_it_was(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output" / "service")
    directory = publish(layout, [1, 2])
    before = set(Path("/dev/fd").iterdir())
    with open_day(directory) as day:
        publish(layout, [3])
        assert [pq.read_table(file)["column7"].to_pylist() for file in day.files] == [[1, 2]] * 3
        # What Arrow opens itself: its threads need no lock of Python to let go of it, behind the end of the read.
        assert [type(file) for file in day.files] == [pa.OSFile] * 3
    assert all(file.closed for file in day.files)
    assert set(Path("/dev/fd").iterdir()) == before
    with open_day(directory) as day:
        assert [pq.read_table(file)["column7"].to_pylist() for file in day.files] == [[3]] * 3


@pytest.mark.cases
def test_a_process_that_ends_behind_its_read_ends_well(tmp_path: Path) -> None:
    directory = publish(Layout(tmp_path / "output" / "service"), [1, 2])
    done = subprocess.run(
        [sys.executable, "-c", ENDING, str(directory), "100"], capture_output=True, text=True, check=True
    )
    assert (collections.Counter(done.stdout.split()), done.stderr) == ({"0": 100}, "")
