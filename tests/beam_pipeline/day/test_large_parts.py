"""Parts of several groups of rows: their bytes depend on the rows alone, wherever the columns were kept meanwhile."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from beam_pipeline.command import main
from beam_pipeline.day import look_up, part_writer
from beam_pipeline.day.part_writer import PartRows, PartWriter
from beam_pipeline.history import reader
from beam_pipeline.history.probes import ProbeStream
from beam_pipeline.session.arrow_columns import ArrowColumns
from beam_pipeline.session.block_file import BlockFile, BlockReader
from bench.feed import LAST_DAY, Feed, write_feed
from bench.project import SERVICE
from bench.workloads.five_features import five_features
from daeda.dataset.manifest import ROW_GROUP

# Odd, so that no part but the first one begins where a vector or a batch does.
ROWS, PER_PART = 310_003, 150_001
FEED = Feed(history_days=1, rows_per_history_day=20_000, spine_rows=ROWS, users=3_000, artworks=500)

Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("feed")
    write_feed(directory, FEED)
    return directory


def run(data: Path, directory: Path, windows: bool, threads: int, memory: str, **more: str) -> int:
    project = five_features()
    if not windows:
        project = replace(project, rolling=[], types={})
    runtime = project.write(directory / "project", data, LAST_DAY, LAST_DAY)
    settings: dict[str, Any] = yaml.safe_load(runtime.read_text())
    limits = {"threads": threads, "memory_limit": memory, **more}
    settings |= {"rows_per_part": PER_PART, "compute": {"duckdb_config": limits}}
    runtime.write_text(yaml.safe_dump(settings))
    return main(["--runtime-config-path", str(runtime), "--output-root", str(directory / "output")])


def build(data: Path, directory: Path, windows: bool, threads: int, memory: str) -> Path:
    """The directory of the day."""
    assert run(data, directory, windows, threads, memory) == 0
    return directory / "output" / SERVICE / "skeleton" / f"dt={LAST_DAY}"


def groups(day: Path) -> list[list[int]]:
    footers = [pq.read_metadata(day / f"part-{number}-0.parquet") for number in range(3)]
    return [[footer.row_group(group).num_rows for group in range(footer.num_row_groups)] for footer in footers]


def no_memory(patch: pytest.MonkeyPatch) -> None:
    """Columns are spilled, and each group of rows is written by itself where there is one thread."""
    patch.setattr(ArrowColumns, "SHARE", 1e-9)
    patch.setattr(part_writer, "_GROUPS_PER_THREAD", 1)


def some_memory(patch: pytest.MonkeyPatch) -> None:
    """The columns of the look-up are kept in memory, in odd pieces, and those of windows are spilled."""
    patch.setattr(ArrowColumns, "SHARE", 0.012)
    patch.setattr(look_up, "_BATCH_ROWS", 70_001)


def odd_pieces(patch: pytest.MonkeyPatch) -> None:
    """All is in memory, in as many pieces as it was computed in."""
    patch.setattr(look_up, "_BATCH_ROWS", 70_001)
    patch.setattr(part_writer, "_GROUPS_PER_THREAD", 1)
    whole = ProbeStream.__init__
    patch.setattr(ProbeStream, "__init__", lambda self, batches, rows, _limit: whole(self, batches, rows, 33_333))


def no_memory_before_the_sink(patch: pytest.MonkeyPatch) -> None:
    """Columns are spilled, and there is room for those of a part, which is written from memory."""
    patch.setattr(ArrowColumns, "room", property(lambda held: 0 if held._joined is None else held.limit))


@pytest.mark.parametrize(
    ("patched", "threads", "memory"),
    [(no_memory, 1, "1GiB"), (no_memory, 3, "1GiB"), (no_memory_before_the_sink, 2, "1GiB"),
     (no_memory_before_the_sink, 3, "1GiB"), (some_memory, 2, "1GiB"), (odd_pieces, 3, "1GiB"),
     (odd_pieces, 1, "300MiB")],
)  # fmt: skip
@pytest.mark.parametrize("windows", [True, False])
def test_the_bytes_depend_on_the_rows_alone(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    windows: bool,
    patched: Patch,
    threads: int,
    memory: str,
) -> None:
    wanted = build(data, tmp_path / "wanted", windows, 2, "2GiB")
    assert groups(wanted) == [[ROW_GROUP, PER_PART - ROW_GROUP], [ROW_GROUP, PER_PART - ROW_GROUP], [10_001]]
    patched(monkeypatch)
    found = build(data, tmp_path / "found", windows, threads, memory)
    for number in range(3):
        name = f"part-{number}-0.parquet"
        assert (found / name).read_bytes() == (wanted / name).read_bytes(), name
    wanted_columns, found_columns = (
        json.loads((day / "_manifest.json").read_text())["columns"] for day in (wanted, found)
    )
    assert found_columns == wanted_columns


def test_a_part_that_fits_in_memory_is_written_from_there_by_several_threads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_memory_before_the_sink(monkeypatch)
    read, slices = ArrowColumns._read_piece, PartWriter._slices
    pieces: list[Any] = []
    written: list[int] = []

    def noted_piece(self: ArrowColumns, *given: Any) -> Any:
        pieces.append(read(self, *given))
        return pieces[-1]

    def noted_slices(self: PartWriter, rows: PartRows) -> Any:
        found = slices(self, rows)
        written.append(len(found))
        return found

    monkeypatch.setattr(ArrowColumns, "_read_piece", noted_piece)
    monkeypatch.setattr(PartWriter, "_slices", noted_slices)
    build(data, tmp_path, True, 3, "1GiB")
    assert [len(piece) for piece in pieces] == [PER_PART, PER_PART, 10_001]
    assert min(written[:2]) > 1
    pieces.clear()
    monkeypatch.setattr(ArrowColumns, "room", property(lambda held: 0 if held._joined is None else 1 << 16))
    build(data, tmp_path / "less", True, 3, "1GiB")
    assert pieces == [None] * 3


@pytest.mark.parametrize(("share", "statements"), [(1e-9, [2, 2, 1]), (0.25, [1, 1, 1])])
def test_of_wide_rows_fewer_groups_are_streamed_by_a_statement(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, statements: list[int]
) -> None:
    wanted = build(data, tmp_path / "wanted", True, 2, "2GiB")
    monkeypatch.setattr(ArrowColumns, "SHARE", 1e-9)
    monkeypatch.setattr(part_writer, "_STREAMED_SHARE", share)
    copy, copied = PartWriter._copy, [0, 0, 0]

    def counted(self: PartWriter, path: Path, rows: PartRows) -> None:
        copied[rows.number] += 1
        copy(self, path, rows)

    monkeypatch.setattr(PartWriter, "_copy", counted)
    found = build(data, tmp_path / "found", True, 2, "1GiB")
    assert copied == statements
    for number in range(3):
        name = f"part-{number}-0.parquet"
        assert (found / name).read_bytes() == (wanted / name).read_bytes(), name


def test_an_extended_day_is_byte_for_byte_one_that_is_built_whole(data: Path, tmp_path: Path) -> None:
    whole = build(data, tmp_path / "whole", True, 2, "2GiB")
    build(data, tmp_path / "extended", False, 2, "2GiB")
    extended = build(data, tmp_path / "extended", True, 3, "300MiB")
    for number in range(3):
        name = f"part-{number}-0.parquet"
        assert (extended / name).read_bytes() == (whole / name).read_bytes(), name
    assert json.loads((extended / "_manifest.json").read_text())["format_version"] == 2


def test_what_is_spilled_lies_in_the_temp_directory_and_goes_with_the_day(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_memory(monkeypatch)
    monkeypatch.setattr(reader, "HISTORY_SHARE", 0.0)
    seen: set[str] = set()
    write = BlockFile.append

    def noted(self: BlockFile, *given: Any) -> None:
        write(self, *given)
        seen.add(f"{self.path.parent.parent.relative_to(tmp_path)}: {self.path.name.partition('-')[0]}")

    monkeypatch.setattr(BlockFile, "append", noted)
    assert run(data, tmp_path, True, 2, "1GiB", temp_directory=str(tmp_path / "large" / "disk")) == 0
    assert seen == {"large/disk: columns", "large/disk: history"}
    assert list((tmp_path / "large" / "disk").iterdir()) == []


@pytest.mark.parametrize(
    ("method", "where", "code", "advice"),
    [
        (
            "append",
            BlockFile,
            errno.ENOSPC,
            "No space left on device: free some space there, or choose another directory",
        ),
        ("read", BlockReader, errno.EIO, "Input/output error: see what is wrong with that file system"),
    ],
)
def test_a_disk_that_refuses_what_is_spilled_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    method: str, where: type, code: int, advice: str,
) -> None:  # fmt: skip
    no_memory(monkeypatch)

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code), "/spill/columns-0.arrow")

    monkeypatch.setattr(where, method, refuse)
    assert run(data, tmp_path, True, 2, "1GiB") == 1
    operator = "pit_levels" if method == "append" else "sink"
    assert (
        f"error: day {LAST_DAY}, operator '{operator}': /spill/columns-0.arrow: {advice}\n" in capsys.readouterr().err
    )
    assert list((tmp_path / "output" / SERVICE / "skeleton").glob("dt=*")) == []
