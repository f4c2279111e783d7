"""The audit reads the rule of what is a file in its own way, and agrees with the product on every case."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daeda.errors import InputError, NothingThere
from daeda.sources.listing import find_files
from daeda_audit.raw.listing import read_listing
from tests.budget import examples
from tests.daeda.sources.entry_cases import CASES
from tests.daeda.sources.test_entries import make


@pytest.mark.parametrize("name", CASES)
def test_the_audit_agrees_on_what_is_a_file(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    make(tmp_path / "v", *case.files)
    if "is not a day" in case.refused:
        assert not any(Path(day).name[3:].isdigit() for day in read_listing("x", str(tmp_path), case.path).by_day)
        return
    if case.refused and "matches no" not in case.refused:
        with pytest.raises(
            InputError, match=r"may hold rows, and no rule reads it|is a table of Delta, Iceberg or Hudi"
        ):
            read_listing("x", str(tmp_path), case.path)
        return
    found = read_listing("x", str(tmp_path), case.path)
    listed = found.flat or tuple(file for held in found.by_day.values() for file in held)
    assert listed == tuple(tmp_path / "v" / one for one in case.read)


def test_a_path_that_is_no_regular_file_is_no_data(tmp_path: Path) -> None:
    make(tmp_path, "v/dt=2024-01-01/a.parquet")
    for make_entry in (
        os.mkfifo,
        lambda path: Path(path).symlink_to("nowhere"),
        lambda path: Path(path).symlink_to("b.parquet"),
    ):
        path = tmp_path / "v/dt=2024-01-01/b.parquet"
        make_entry(str(path))
        with pytest.raises(InputError) as raised:
            read_listing("x", str(tmp_path), "v")
        assert str(raised.value) == f"view 'x': {path} may hold rows, and no rule reads it"
        path.unlink()


def test_a_name_that_is_no_utf_8_is_no_data(tmp_path: Path) -> None:
    for name in (b"\xff.parquet", b"dt=2024-01-01\xff"):
        root = tmp_path / name.hex()
        make(root, "v/a.parquet")
        path = root / "v" / os.fsdecode(name)
        if name.startswith(b"dt="):
            path.mkdir()
            path = path / "b.parquet"
        path.touch()
        named = path if path.parent.name == "v" else path.parent
        with pytest.raises(InputError) as raised:
            read_listing("x", str(root), "v")
        assert str(raised.value) == f"view 'x': {named} may hold rows, and no rule reads it"
    (named / "b.parquet").unlink()
    named.rename(named.with_name(os.fsdecode(b"_\xff")))
    assert read_listing("x", str(root), "v").flat == (root / "v/a.parquet",)


@pytest.mark.parametrize("path", ["v.parquet", "v/x.parquet"])
def test_a_path_of_a_view_that_is_neither_file_nor_directory_is_named_so(path: str, tmp_path: Path) -> None:
    make(tmp_path, "v/a.parquet")
    at = tmp_path / path
    for make_entry, what in (
        (os.mkfifo, "a FIFO"),
        (lambda path: Path(path).symlink_to("nowhere"), "a broken link"),
        (lambda path: Path(path).symlink_to(Path(path).name), "a broken link"),
    ):
        make_entry(at)
        with pytest.raises(InputError) as raised:
            read_listing("x", str(tmp_path), path)
        assert str(raised.value) == f"view 'x': {at} is {what}, no file: put the file there, or correct the path"
        at.unlink()


def test_a_data_root_is_no_pattern_to_the_audit(tmp_path: Path) -> None:
    for root in ("p[1]", "p1"):
        make(tmp_path / root, "v/a.parquet", "w/b[1].parquet", "w/b1.parquet")
    home = tmp_path / "p[1]"
    assert read_listing("x", str(home), "v").flat == (home / "v/a.parquet",)
    assert read_listing("x", str(home), "v/*.parquet").flat == (home / "v/a.parquet",)
    assert read_listing("x", str(home), "w/b[[]1].parquet").flat == (home / "w/b[1].parquet",)


NAMES = st.sampled_from(
    ["dt=2024-01-01", "dt=2024-01-02", "dt=x", "DT=2024-01-01", "a.parquet", "b.parquet", "_a.parquet", ".b", "x",
     "y.csv", "_x=1", "metadata", "v1.metadata.json", "_delta_log", ".hoodie", "a[1].parquet"]
)  # fmt: skip
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=6)
PATTERNS = st.lists(
    st.sampled_from(["**", "*", "*.parquet", "?.parquet", "dt=*", "a[1].parquet", "[!a]*", "_*", "x", ".b", "[_]*"]),
    max_size=3,
)


@settings(max_examples=examples(200))
@given(TREES, PATTERNS, st.booleans())
def test_the_product_and_the_audit_agree_on_any_tree(
    tree: list[tuple[str, ...]], pattern: list[str], directories: bool
) -> None:
    with tempfile.TemporaryDirectory() as held:
        root = Path(held)
        (root / "v").mkdir()
        for number, parts in enumerate(tree):
            path = root.joinpath("v", *parts)
            with suppress(OSError):  # a file stands where a directory is to be
                path.parent.mkdir(parents=True, exist_ok=True)
                if directories and number % 2:
                    path.mkdir(exist_ok=True)
                elif not path.exists():
                    path.touch()
        whole = "/".join(["v", *pattern])
        assert read_by_the_product(held, whole) == read_by_the_audit(held, whole)


def read_by_the_product(root: str, path: str) -> dict[str, set[str]] | None:
    """The files by day, None for a refusal."""
    try:
        found = find_files(path, "x", root)
    except NothingThere:
        return {}
    except InputError:
        return None
    return {f"dt={day}": set(held) for day, held in found.partitions.items()} or {"": set(found.flat)}


def read_by_the_audit(root: str, path: str) -> dict[str, set[str]] | None:
    try:
        found = read_listing("x", root, path)
    except InputError:
        return None
    if any(day.removeprefix("dt=") == "x" for day in found.by_day):
        return None
    by_day = {day: {str(file) for file in held} for day, held in found.by_day.items()}
    return by_day or ({"": {str(file) for file in found.flat}} if found.flat else {})


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_two_names_of_one_file_are_refused_by_the_audit(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    make(tmp_path, "v/dt=2024-01-01/a.parquet", "v/dt=2024-01-02/c.parquet")
    day = tmp_path / "v/dt=2024-01-01"
    link(day / "a.parquet", tmp_path / "v/dt=2024-01-02/a.parquet")
    read_listing("x", str(tmp_path), "v")
    link(day / "a.parquet", day / "b.parquet")
    with pytest.raises(InputError) as raised:
        read_listing("x", str(tmp_path), "v")
    assert (
        str(raised.value) == f"view 'x': {day}/a.parquet and {day}/b.parquet are one file, whose rows would count twice"
    )
