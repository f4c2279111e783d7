"""The audit reads the rule of what is a file in its own way, and agrees with the product on every case."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daeda.errors import InputError
from daeda_audit.listing import read_listing
from tests.core.entry_cases import CASES
from tests.core.test_entries import make


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
    for make_entry in (os.mkfifo, lambda path: Path(path).symlink_to("nowhere")):
        path = tmp_path / "v/dt=2024-01-01/b.parquet"
        make_entry(str(path))
        with pytest.raises(InputError) as raised:
            read_listing("x", str(tmp_path), "v")
        assert str(raised.value) == f"view 'x': {path} may hold rows, and no rule reads it"
        path.unlink()


def test_a_data_root_is_no_pattern_to_the_audit(tmp_path: Path) -> None:
    for root in ("p[1]", "p1"):
        make(tmp_path / root, "v/a.parquet", "w/b[1].parquet", "w/b1.parquet")
    home = tmp_path / "p[1]"
    assert read_listing("x", str(home), "v").flat == (home / "v/a.parquet",)
    assert read_listing("x", str(home), "v/*.parquet").flat == (home / "v/a.parquet",)
    assert read_listing("x", str(home), "w/b[[]1].parquet").flat == (home / "w/b[1].parquet",)
