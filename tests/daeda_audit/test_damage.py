"""Files that are damaged, foreign, or change while they are audited: one sentence, exit code 2, and never a pass."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import daeda_audit.probes.recomputation
from daeda.errors import InputError
from daeda_audit.command import main
from daeda_audit.raw.view import ColumnCache
from tests.daeda_audit.feed import build, feed, words
from tests.projects import TinyProject

DAY = "output/ranking/skeleton/dt=2024-01-03"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = feed(tmp_path_factory.mktemp("damage"))
    build(made)
    return made.root


@pytest.fixture
def made(built: Path, tmp_path: Path) -> TinyProject:
    shutil.copytree(built, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


def refused(made: TinyProject, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The error of an audit that says nothing else on stdout."""
    code = main(words(made, "--probe", "recompute", "--rows", "5", *more))
    told = capsys.readouterr()
    assert (code, told.out) == (2, ""), told.err
    return told.err.replace(str(made.root), "{root}").splitlines()[-1]


def manifest(directory: Path, **changes: Any) -> None:
    path = directory / "_manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_part_of_somebody_else(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(made.root / DAY / "part-0-0.parquet", made.root / DAY / "part-7-0.parquet")
    (made.root / DAY / "_notes.txt").write_text("hidden from readers")
    assert refused(made, capsys) == (
        f"error: {{root}}/{DAY}/part-7-0.parquet is no part of the day, and readers of the directory read it too: "
        "remove it, or build the day again"
    )
    (made.root / DAY / "a.txt").write_text("")
    assert refused(made, capsys) == (
        f"error: {{root}}/{DAY} holds 2 entries that are no part of the day, a.txt for one, and readers of the "
        "directory read it too: remove it, or build the day again"
    )


def test_a_manifest_of_another_day(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(made.root / DAY.replace("03", "02") / "_manifest.json", made.root / DAY / "_manifest.json")
    assert refused(made, capsys) == (
        f"error: {{root}}/{DAY}/_manifest.json is not the manifest of this day: it is of 2024-01-02 (skeleton of "
        "'ranking'): `daeda pipeline train` builds the day anew"
    )
    assert main(words(made, "--probe", "recompute", "--rows", "5", "--days", "2024-01-02")) == 0


@pytest.mark.parametrize("changes", [{"settings": None}, {"rows": 1e999}, {"parts": []}, {"rows": -1}])
def test_a_manifest_with_nonsense(
    changes: dict[str, Any], made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest(made.root / DAY, **changes)
    told = refused(made, capsys)
    assert told.startswith(f"error: {{root}}/{DAY}/_manifest.json is not the manifest of this day: ")


def test_a_day_without_a_manifest_is_told_and_left_out(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    (made.root / DAY / "_manifest.json").unlink()
    assert main(words(made, "--probe", "recompute", "--rows", "5")) == 0
    told = capsys.readouterr()
    assert told.out.startswith("leakage audit of ranking, 1 day: ")
    assert told.err.replace(str(made.root), "{root}").splitlines()[1] == (
        f"note: {{root}}/{DAY} has no manifest, so it is no published day, and left out: build it again"
    )
    assert "2024-01-03 is not published in " in refused(made, capsys, "--days", "2024-01-03")


def test_a_part_that_has_not_the_rows_of_its_manifest(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / DAY / "part-0-0.parquet"
    rows = pq.read_metadata(path).num_rows
    pq.write_table(pq.read_table(path).slice(1), path)
    parts = json.loads((made.root / DAY / "_manifest.json").read_text())["parts"]
    parts[0] |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    manifest(made.root / DAY, parts=parts)
    assert refused(made, capsys) == (
        f"error: {{root}}/{DAY}/part-0-0.parquet has {rows - 1} rows, and the manifest says {rows}: build the day again"
    )


def test_a_part_without_pages(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    """Its digest is that of the manifest, and its footer is whole."""
    path = made.root / DAY / "part-0-0.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    parts = json.loads((made.root / DAY / "_manifest.json").read_text())["parts"]
    parts[0] |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    manifest(made.root / DAY, parts=parts)
    told = refused(made, capsys, "--days", "2024-01-03")
    assert told.startswith(f"error: {{root}}/{DAY}/part-0-0.parquet cannot be read (")
    assert told.endswith("): build the day again, and audit it at rest")


def remove(path: Path) -> None:
    path.unlink()


def lengthen(path: Path) -> None:
    table = pq.read_table(path, partitioning=None)
    pq.write_table(pa.concat_tables([table, table]), path)


def retype(path: Path) -> None:
    table = pq.read_table(path, partitioning=None)
    place = table.schema.get_field_index("price")
    pq.write_table(table.set_column(place, "price", table.column("price").cast(pa.string())), path)


MEANWHILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a raw file is removed": (
        "data/prices/dt=2024-01-03/part-0.parquet", remove,
        "error: view 'prices': {root}/data/prices/dt=2024-01-03/part-0.parquet cannot be read (No such file or "
        "directory): was it removed while it was audited?",
    ),
    "a raw file is written anew": (
        "data/events/dt=2024-01-03/part-0.parquet", lengthen,
        "error: view 'events': {root}/data/events/dt=2024-01-03/part-0.parquet changed while it was audited: audit "
        "again when it is at rest",
    ),
    "a raw file gets another type": (
        "data/prices/dt=2024-01-03/part-0.parquet", retype,
        "error: view 'prices': in {root}/data/prices/dt=2024-01-03/part-0.parquet the column 'price' is string, and "
        "the view declares double: correct the view or the file, and build the days again",
    ),
    "a part is removed": (
        f"{DAY}/part-0-0.parquet", remove,
        f"error: {{root}}/{DAY}/part-0-0.parquet cannot be read (it is not there any more): build the day again, and "
        "audit it at rest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANWHILE)
def test_what_changes_in_the_middle_of_the_audit(
    name: str, made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spine was read, and the parts were compared with their digests."""
    place, change, sentence = MEANWHILE[name]
    original = daeda_audit.probes.recomputation.spine_rows

    def then_changed(*arguments: Any) -> Any:
        rows = original(*arguments)
        change(made.root / place)
        return rows

    monkeypatch.setattr(daeda_audit.probes.recomputation, "spine_rows", then_changed)
    assert refused(made, capsys, "--days", "2024-01-03") == sentence


def test_columns_of_two_states_of_a_file_never_stand_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    held = ColumnCache()

    def read(file: object, names: list[str]) -> pa.Table:
        return pq.read_table(path, columns=names, partitioning=None)

    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), path)
    assert held.columns("v", path, ["a"], read)[0].to_pylist() == [1, 2]
    pq.write_table(pa.table({"a": [1, 2, 3], "b": [3, 4, 5]}), path)
    assert held.columns("v", path, ["a"], read)[0].to_pylist() == [1, 2]
    with pytest.raises(InputError) as caught:
        held.columns("v", path, ["b"], read)
    assert str(caught.value) == (f"view 'v': {path} changed while it was audited: audit again when it is at rest")
    path.unlink()
    with pytest.raises(InputError) as caught:
        held.columns("v", path, ["b"], read)
    assert str(caught.value) == (
        f"view 'v': {path} cannot be read (No such file or directory): was it removed while it was audited?"
    )


def test_what_is_held_has_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: list(range(100)) for name in "abc"}), path)
    held, parsed = ColumnCache(most_bytes=1_700), []

    def read(file: object, names: list[str]) -> pa.Table:
        parsed.append(names)
        return pq.read_table(path, columns=names, partitioning=None)

    for names in ("a", "b", "a", "c", "a", "b"):
        assert held.columns("v", path, list(names), read)[0].to_pylist() == list(range(100))
    assert parsed == [["a"], ["b"], ["c"], ["b"]]
