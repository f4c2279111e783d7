"""What breaks around a run while it works: files, permissions, the disk, the clock. None of it shows a traceback."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk import small_disk
from tests.faults.fault import Fault
from tests.faults.scene import Scene, bytes_of_days, left_in_staging
from tests.faults.warm import Child

EVENTS = "project/data/events/dt=2024-01-03/part-0.parquet"


def failed(child: Child, code: int) -> str:
    """The sentence of a run that must have failed with an exit code."""
    assert child.wait() == code, child.stderr
    assert "Traceback" not in child.stderr
    assert child.stdout == ""
    lines = [line for line in child.stderr.splitlines() if not line.startswith("skeleton 2024-01-")]
    assert all(line.startswith("error: ") for line in lines), child.stderr
    return "\n".join(lines)


@contextlib.contextmanager
def restored(path: Path) -> Iterator[None]:
    kept = path.with_name(".kept")
    shutil.copy2(path, kept)
    try:
        yield
    finally:
        kept.replace(path)


@pytest.mark.some(1, cases=6)
@pytest.mark.parametrize("what", ["remove", "truncate", "append"])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_an_input_that_changes_while_it_is_needed(scene: Scene, what: str, share: float) -> None:
    """At each time the run fails with a sentence, or it had read the file whole before."""
    output = scene.output("stale")
    path = scene.root / EVENTS
    with restored(path):
        child = scene.start(output, fault=Fault(int(scene.steps["stale"] * share), what, str(path)))
        code = child.wait()
        assert "Traceback" not in child.stderr
        assert code in (0, 1, 2), child.stderr
        assert code == 0 or str(path) in child.stderr, child.stderr
    scene.check_after_fault(output, "stale")
    scene.check_after_rerun(output)


def test_a_file_that_vanished_before_its_day_is_told(scene: Scene) -> None:
    """The file goes after the run was planned, and before the first day begins."""
    output = scene.output("empty")
    path = scene.root / "project/data/events/dt=2024-01-04/part-0.parquet"
    with restored(path):
        child = scene.start(output, "--day-workers", "1", fault=Fault(0, "remove", str(path), path="/work/dt="))
        assert failed(child, 1) == (
            f"error: day 2024-01-04, operator 'scan_spine': {path} vanished after the run had begun: run again when "
            "the input is complete"
        )
    assert "dt=2024-01-04" not in bytes_of_days(output / "ranking")
    scene.check_after_rerun(output)


def test_no_write_permission_from_the_beginning(scene: Scene) -> None:
    output = scene.output("empty")
    output.chmod(0o555)
    assert failed(scene.start(output, bound=True), 2) == (
        f"error: output root {output}: {output} cannot be written by this user: change its permissions, or choose "
        "another --output-root"
    )
    assert list(output.iterdir()) == []
    output.chmod(0o755)
    scene.check_after_rerun(output)


@pytest.mark.some(1, cases=6)
@pytest.mark.parametrize("share", [0.4, 0.7])
@pytest.mark.parametrize("place", ["ranking", "ranking/skeleton", "ranking/_staging"])
def test_permission_that_is_revoked(scene: Scene, share: float, place: str) -> None:
    """A directory is closed while days are at work."""
    output = scene.output("stale")
    fault = Fault(int(scene.steps["stale"] * share), "forbid", str(output / place))
    child = scene.start(output, bound=True, fault=fault)
    code = child.wait()
    (output / place).chmod(0o755)
    assert "Traceback" not in child.stderr, child.stderr
    assert code == 1, child.stderr
    assert "Permission denied" in child.stderr, child.stderr
    scene.check_after_fault(output, "stale")
    scene.check_after_rerun(output)


@pytest.mark.some(1, cases=5)
@pytest.mark.parametrize("free_kib", [0, 4, 8, 16, 28])
def test_a_disk_that_is_full(scene: Scene, tmp_path: Path, free_kib: int) -> None:
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        output = disk / "output"
        shutil.copytree(scene.root / "stale", output)
        ballast = disk / "ballast"
        free = shutil.disk_usage(disk).free
        ballast.write_bytes(random.Random(0).randbytes(max(0, free - (free_kib << 10))))
        child = scene.start(output)
        sentence = failed(child, 2 if free_kib == 0 else 1)
        assert "No space left on device" in sentence, sentence
        ballast.unlink()
        scene.check_after_fault(output, "stale")
        scene.check_after_rerun(output)


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("limit", [1000, 2000])
def test_files_that_cannot_grow(scene: Scene, limit: int) -> None:
    """The same where nothing can be mounted: the kernel refuses what is longer than so many bytes."""
    output = scene.output("stale")
    sentence = failed(scene.start(output, file_limit=limit), 1)
    assert "File too large" in sentence, sentence
    scene.check_after_fault(output, "stale")
    scene.check_after_rerun(output)


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("clock", [-1e9, 3e9], ids=["in 1995", "in 2121"])
def test_the_bytes_do_not_depend_on_the_clock(scene: Scene, clock: float) -> None:
    output = scene.output("stale")
    child = scene.start(output, clock=clock)
    assert child.wait() == 0, child.stderr
    assert bytes_of_days(output / "ranking") == scene.wanted
    assert left_in_staging(output / "ranking") == []
    scene.check_after_rerun(output)


def test_memory_that_is_too_small_is_told_with_what_to_change(scene: Scene) -> None:
    output = scene.output("empty")
    sentence = failed(scene.start(output, "--duckdb-memory-limit", "2MiB", "--day-workers", "1"), 1)
    assert re.fullmatch(
        r"error: day 2024-01-0\d, operator '\w+': Out of Memory Error: [^:]*: a day has 2 MiB here; raise "
        r"compute\.duckdb_config\.memory_limit, lower day_workers, or give more disk to temp_directory "
        rf"\({re.escape(str(output))}/ranking/_staging/run-[^/]*/work/dt=2024-01-0\d-\w+/spill\)",
        sentence,
    ), sentence
