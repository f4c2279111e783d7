"""An epoch is of one set of files, and goes on with the settings that it began with, or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daeda.dataset.layout import Layout
from daeda.errors import ChangedMeanwhile, InputError, UsageError
from daeda_data import dataset
from daeda_data.loader import parts
from daeda_data.loader.choice import Pad
from daeda_data.loader.memory import Memory
from daeda_data.loader.parts import PartReader, look_at
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import day_of, publish_by_hand, rows_of
from tests.daeda_data.loader.made import publish

COLUMNS = ["row", "seen"]
SETTINGS: dict[str, Any] = {"batch_rows": 4, "shuffle_seed": 1, "window_rows": 8, "columns": COLUMNS, "workers": (0, 2)}


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return publish(tmp_path, [[20, 20], [20]])


def change(part: str, how: str) -> None:
    """Let another file be at the path of a part, or other bytes in it."""
    path = Path(part)
    match how:
        case "removed":
            path.unlink()
        case "replaced":
            copy = path.with_name(".copy")
            shutil.copyfile(path, copy)
            copy.replace(path)
        case "written into":
            with path.open("r+b") as file:
                file.seek(8)
                file.write(b"\0")
        case "longer":
            with path.open("ab") as file:
                file.write(b"\0")


@pytest.mark.parametrize("how", ["removed", "replaced", "written into", "longer"])
def test_a_file_that_changes_ends_the_epoch(how: str, data: TrainingData) -> None:
    with data.batches(**SETTINGS, read_ahead=1) as batches:
        next(batches)
        for part in data.parts():
            change(part.path, how)
        with pytest.raises(
            ChangedMeanwhile, match=r"part-.-0.parquet is not the file any more that was there when 2024-"
        ):
            list(batches)
    # Between epochs it is no other.
    with pytest.raises(ChangedMeanwhile):
        list(data.batches(**SETTINGS, epoch=1))


def test_a_day_that_is_built_again_while_its_file_is_open_is_not_mixed(data: TrainingData) -> None:
    batches = data.batches(**SETTINGS, read_ahead=1)
    next(batches)
    directory = Path(data.parts()[0].path).parent
    shutil.rmtree(directory)
    publish_by_hand(Layout(directory.parents[1]), day_of(0), [rows_of(day_of(0), 100, 20), rows_of(day_of(0), 120, 20)])
    rows: list[int] = []

    def give_all() -> None:
        for batch in batches:
            rows.extend(batch["row"].tolist())

    with pytest.raises(ChangedMeanwhile):
        give_all()
    assert all(row < 100 for row in rows)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"shuffle_seed": 2}, "shuffle_seed: 1 then, 2 now"),
        ({"shuffle_seed": None}, "shuffle_seed: 1 then, None now; window_rows: 8 then, None now"),
        ({"window_rows": 9}, "window_rows: 8 then, 9 now"),
        ({"workers": (1, 2)}, "workers: (0, 2) then, (1, 2) now"),
        ({"workers": (0, 4)}, "workers: (0, 2) then, (0, 4) now"),
        ({"columns": ["row"]}, "columns and widths: ['row', 'seen'] then, ['row'] now"),
        ({"pad": {"seen": 3}}, "columns and widths: ['row', 'seen'] then, ['row', ['seen', 3]] now"),
    ],
)
def test_an_epoch_does_not_go_on_with_other_settings(now: dict[str, Any], told: str, data: TrainingData) -> None:
    with data.batches(**SETTINGS) as batches:
        next(batches)
        state = batches.state()
    with pytest.raises(InputError) as refused:
        data.batches(**{**SETTINGS, **now, "resume": state})
    assert str(refused.value) == f"resume: the epoch cannot go on, for rows would be lost or come twice: {told}"


def test_an_epoch_does_not_go_on_with_other_data(data: TrainingData, tmp_path: Path) -> None:
    with data.batches(**SETTINGS) as batches:
        next(batches)
        state = batches.state()
    with pytest.raises(InputError, match=r"days: 2024-01-01..2024-01-02 \(2\) then, 2024-01-01..2024-01-01 \(1\) now"):
        dataset(tmp_path, "ranking", days=[day_of(0)]).batches(**SETTINGS, resume=state)
    shutil.rmtree(Path(data.parts()[2].path).parent)
    publish_by_hand(Layout(tmp_path / "ranking"), day_of(1), [rows_of(day_of(1), 1, 20)])
    with pytest.raises(InputError, match=r"the days 2024-01-01..2024-01-02 \(2\) have other parts now than then"):
        dataset(tmp_path, "ranking").batches(**SETTINGS, resume=state)


def test_an_epoch_does_not_go_on_with_another_vocabulary(data: TrainingData, tmp_path: Path) -> None:
    words = [data.vocabulary(tmp_path / str(at_most), ["category"], at_most=at_most) for at_most in (1, 2)]
    with data.batches(4, columns=["category"], vocabulary=words[0]) as batches:
        next(batches)
        state = batches.state()
    with pytest.raises(InputError, match=r"rows would be lost or come twice: the vocabulary is another one"):
        data.batches(4, columns=["category"], vocabulary=words[1], resume=state)


def test_an_epoch_goes_on_with_another_size_of_batches_and_another_reader(data: TrainingData, tmp_path: Path) -> None:
    with data.batches(**SETTINGS, pad={"seen": Pad(1, "first")}) as batches:
        first = next(batches)["row"].tolist()
        state = batches.state()
    # A day that was copied elsewhere is the same data.
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    other = dataset(tmp_path.with_name("copy"), "ranking")
    settings = {**SETTINGS, "batch_rows": 7, "pad": {"seen": Pad(1, "first")}}
    rest = [row for batch in other.batches(**settings, resume=state) for row in batch["row"].tolist()]
    whole = [row for batch in data.batches(**SETTINGS, pad={"seen": Pad(1, "first")}) for row in batch["row"].tolist()]
    assert first + rest == whole


@pytest.mark.parametrize("resume", [{}, {"rows": 1}, [], "state", {"workers": 3}])
def test_what_is_no_state_is_refused(resume: Any, data: TrainingData) -> None:
    with pytest.raises(
        InputError, match=r"resume is not a state of this loader: give what `.state\(\)` of an iterator"
    ):
        data.batches(**SETTINGS, resume=resume)


def test_more_rows_than_there_are_were_not_given(data: TrainingData) -> None:
    with data.batches(**SETTINGS) as batches:
        state = batches.state()
    with pytest.raises(InputError, match="resume: 31 rows were given, and the worker has 30"):
        data.batches(**SETTINGS, resume={**state, "rows": 31})


def test_an_epoch_of_its_own_beside_that_of_a_state_is_refused(data: TrainingData) -> None:
    with data.batches(**SETTINGS, epoch=3) as batches:
        state = batches.state()
    with pytest.raises(UsageError, match="epoch is 2, and resume goes on in epoch 3: leave one of them out"):
        data.batches(**SETTINGS, epoch=2, resume=state)


def test_a_link_to_a_file_or_its_permissions_change_nothing(data: TrainingData, tmp_path: Path) -> None:
    batches = data.batches(2, columns=COLUMNS)
    path = Path(data.parts()[2].path)
    path.chmod(0o444)
    os.link(path, tmp_path / "link")
    assert sum(batch.rows for batch in batches) == 60


def test_a_row_group_that_is_not_there_any_more_is_told(data: TrainingData) -> None:
    """A file that was written over within the same moment, and has the size that it had."""
    looked = look_at(data.parts(), COLUMNS)
    reader = PartReader(looked, COLUMNS, (), Memory(1), threads=False)
    with closing(reader), pytest.raises(InputError, match="is not the file that was published: build the day again"):
        reader.read(replace(looked.row_groups[0], number=99))


def test_a_part_whose_pages_are_damaged_is_told(data: TrainingData) -> None:
    part = Path(data.parts()[0].path)
    state, content = part.stat(), bytearray(part.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little")
    content[4 : len(content) - 8 - footer] = b"\xff" * (len(content) - 12 - footer)
    looked = look_at(data.parts(), ["row", "liked"])
    with part.open("r+b") as file:
        file.write(content)
    os.utime(part, ns=(state.st_atime_ns, state.st_mtime_ns))
    reader = PartReader(looked, ["row", "liked"], (), Memory(1), threads=False)
    with closing(reader), pytest.raises(InputError, match=f"{part} is (no Parquet file, or )?damaged"):
        reader.read(looked.row_groups[0])


def test_what_is_wrong_with_the_part_behind_is_told_when_its_turn_comes(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_is_side_by_side", lambda *_: True)
    looked = look_at(data.parts(), ["row", "liked"])
    first, second, _ = (group for group in looked.row_groups if group.number == 0)
    change(data.parts()[1].path, "removed")
    reader = PartReader(looked, ["row", "liked"], (), Memory(1), threads=True)
    with closing(reader):
        assert [len(array) for array in reader.read(first, second)["row"]] == [first.rows]
        with pytest.raises(ChangedMeanwhile, match=r"part-1-0\.parquet is not the file any more"):
            reader.read(second)


def test_a_part_that_changes_behind_what_was_read_of_it_ahead_is_told(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_is_side_by_side", lambda *_: True)
    looked = look_at(data.parts(), ["row", "liked"])
    first, second, _ = (group for group in looked.row_groups if group.number == 0)
    reader = PartReader(looked, ["row", "liked"], (), Memory(1), threads=True)
    with closing(reader):
        reader.read(first, second)
        change(data.parts()[1].path, "replaced")
        with pytest.raises(ChangedMeanwhile, match=r"part-1-0\.parquet is not the file any more"):
            reader.read(second)


@pytest.mark.parametrize("files", [2, 3, 16])
def test_reading_ahead_closes_no_file_that_is_read(files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = publish(tmp_path, [[9] * 5, [7] * 4])

    def rows() -> list[int]:
        return [row for batch in data.batches(4, 3, columns=["row", "liked"]) for row in batch["row"].tolist()]

    before = rows()
    monkeypatch.setattr(parts, "_MOST_OPEN", files)
    monkeypatch.setattr(parts, "_is_side_by_side", lambda *_: True)
    assert rows() == before
