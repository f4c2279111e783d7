"""Ordered blocks of a run whose days are built by several processes: whoever links one first, and the same bytes."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.beam_pipeline.history.test_ordered_blocks import without_blocks
from tests.beam_pipeline.history.test_projected_partitions import project as project_of_windows
from tests.beam_pipeline.runners.conftest import REPOSITORY
from tests.beam_pipeline.test_attempts import Started
from tests.beam_pipeline.test_attempts import start as start
from tests.projects import TinyProject

# Builds the days that it is given, and says of each history of a day whether it had blocks, and how many were mapped.
_WORKER = """
import json, pickle, sys
from pathlib import Path
from beam_pipeline.history import blocks_of_day, partition_cache
from beam_pipeline.history.blocks_of_day import BlocksOfDay
from beam_pipeline.history.ordered_blocks import Block
from beam_pipeline.transforms import _RunOperator
from beam_pipeline.workers.context import DayHandle
partition_cache._LEAST_READERS = blocks_of_day._LEAST_PARTITIONS = 2
blocks_of_day._LEAST_BYTES = 0
found, mapped = [], []
in_order, map_block = BlocksOfDay.in_order, Block.mapped
def noted(self):
    blocks = in_order(self)
    found.append(blocks is not None)
    return blocks
BlocksOfDay.in_order = noted
Block.mapped = lambda path: mapped.append(path.name) or map_block(path)
context, operators, days = pickle.loads(Path(sys.argv[1]).read_bytes())
for day in days:
    handle = DayHandle(day)
    for operator in operators:
        (handle,) = _RunOperator(operator, context).process(handle)
print(json.dumps([found, len(mapped)]))
"""


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    return project_of_windows(tmp_path / "project", day_workers=2)


@pytest.mark.cases
def test_days_of_two_processes_have_the_bytes_without_blocks(
    project: TinyProject, start: Callable[[], Started], tmp_path: Path
) -> None:
    run = start()
    workers = []
    for number, days in enumerate((run.days[::2], run.days[1::2])):
        given = tmp_path / f"worker-{number}"
        given.write_bytes(pickle.dumps((run.context, run.operators, days)))
        words = [sys.executable, "-c", _WORKER, str(given)]
        workers.append(subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True))
    for worker in workers:
        told, _ = worker.communicate(timeout=300)
        assert worker.returncode == 0
        found, mapped = json.loads(told)
        assert found
        assert all(found)
        assert mapped
    days_dir = Path(run.context.service_dir) / "skeleton"
    built = {str(path.relative_to(days_dir)): path.read_bytes() for path in days_dir.glob("dt=*/*.parquet")}
    assert built == without_blocks(project, tmp_path / "sorted")
