"""What is a file of a view, on a disk: data, known to be none, or refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from daeda.errors import InputError
from daeda.sources.files import SourceFiles
from daeda.sources.listing import find_files
from tests.daeda.sources.entry_cases import CASES, left_out

_RULE = "a partition holds files .parquet directly"


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (root / name).mkdir(exist_ok=True)
        else:
            (root / name).write_bytes(b"x")


def listed(files: SourceFiles) -> tuple[str, ...]:
    return files.flat or tuple(path for paths in files.partitions.values() for path in paths)


def refusal(path: str, data_root: Path | str = "") -> str:
    with pytest.raises(InputError) as raised:
        find_files(path, "x", str(data_root))
    return str(raised.value)


@pytest.mark.parametrize("name", CASES)
def test_what_is_a_file(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    make(tmp_path / "v", *case.files)
    if case.refused:
        sentence = case.refused.replace("{v}", f"{tmp_path}/v").replace("{file}", "file")
        assert refusal(case.path, tmp_path).startswith(f"view 'x': {sentence}")
        return
    assert listed(find_files(case.path, "x", str(tmp_path))) == tuple(f"{tmp_path}/v/{name}" for name in case.read)


def test_what_is_no_regular_file_is_refused_and_never_opened(tmp_path: Path) -> None:
    day = tmp_path / "v/dt=2024-01-01"
    make(tmp_path, "v/dt=2024-01-01/a.parquet")
    for name, kind in (("b", "a FIFO"), ("c", "a broken link"), ("d", "a device"), ("e", "a socket")):
        path = day / f"{name}.parquet"
        listening = socket.socket(socket.AF_UNIX)
        match kind:
            case "a FIFO":
                os.mkfifo(path)
            case "a broken link":
                path.symlink_to("nowhere")
            case "a device":
                path.symlink_to("/dev/zero")
            case _:
                listening.bind(os.path.relpath(path))
        told = left_out(f"dt=2024-01-01/{path.name}", _RULE).replace("{v}", f"{tmp_path}/v")
        assert refusal("v", tmp_path) == f"view 'x': {told.replace(' would', f' is {kind} and would', 1)}"
        assert refusal("v/*/*.parquet", tmp_path).startswith(f"view 'x': {path} is {kind} and would not be read")
        assert refusal(str(path)) == f"view 'x': {path} is {kind}: name a file or a directory"
        listening.close()
        path.unlink()


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "v", "a.parquet")
    (tmp_path / "v" / os.fsdecode(b"\xff.parquet")).touch()
    assert refusal("v", tmp_path) == (
        f"view 'x': {tmp_path}/v/\\udcff.parquet is a name that is no UTF-8 and would not be read: the view reads "
        "files .parquet directly in its directory; move or rename it (a name that begins with _ or . is known to be no "
        "data)"
    )


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    make(tmp_path, "far/dt=2024-01-01/a.parquet", "v/_x", "far/b.bin")
    (tmp_path / "v/dt=2024-01-01").symlink_to(tmp_path / "far/dt=2024-01-01")
    (tmp_path / "v/dt=2024-01-02").mkdir()
    (tmp_path / "v/dt=2024-01-02/b.parquet").symlink_to(tmp_path / "far/b.bin")
    files = find_files("v", "x", str(tmp_path))
    assert listed(files) == (f"{tmp_path}/v/dt=2024-01-01/a.parquet", f"{tmp_path}/v/dt=2024-01-02/b.parquet")
    (tmp_path / "v/again").symlink_to(tmp_path / "v")
    told = f"view 'x': {tmp_path}/v/again is a link to a directory that it lies in and would not be read: "
    assert refusal("v", tmp_path).startswith(told)
    assert refusal("v/**/*.txt", tmp_path).endswith(
        "/v/**/*.txt matches no file: correct the path or data_root, or put the data there"
    )


def test_a_table_is_seen_through_a_link_to_its_data(tmp_path: Path) -> None:
    make(tmp_path, "table/_delta_log/0.json", "table/data/a.parquet")
    (tmp_path / "v").symlink_to(tmp_path / "table/data")
    assert refusal("v", tmp_path).startswith(f"view 'x': {tmp_path}/table/_delta_log is the log of a Delta table, ")


def test_a_data_root_is_a_path_and_never_a_pattern(tmp_path: Path) -> None:
    for root in ("proj[1]", "proj1", "p*", "pa", "p?", "it's {a,b}"):
        make(tmp_path / root, "v/a.parquet", "w/a[1].parquet", "w/a1.parquet")
    for root in ("proj[1]", "p*", "p?", "it's {a,b}"):
        home = tmp_path / root
        assert find_files("v", "x", str(home)).flat == (f"{home}/v/a.parquet",)
        assert find_files("v/*.parquet", "x", str(home)).flat == (f"{home}/v/a.parquet",)
        assert find_files("w/a?.parquet", "x", str(home)).flat == (f"{home}/w/a1.parquet",)
        assert find_files("w", "x", str(home)).flat == (f"{home}/w/a1.parquet", f"{home}/w/a[1].parquet")
        assert find_files("w", "x", str(home)).places() == (f"{home}/w",)
        assert find_files("v/*.parquet", "x", str(home)).places() == (f"{home}/v",)


def test_a_path_that_is_there_is_no_pattern_unless_it_matches_others(tmp_path: Path) -> None:
    make(tmp_path, "w/a[1].parquet", "w/a1.parquet", "w/b[1].parquet", "d[2]/a.parquet")
    assert refusal("w/a[1].parquet", tmp_path) == (
        f"view 'x': {tmp_path}/w/a[1].parquet is there, and as a pattern it also matches {tmp_path}/w/a1.parquet: "
        "rename one, or write [[] for a bracket that is meant as it stands"
    )
    assert find_files("w/a[[]1].parquet", "x", str(tmp_path)).flat == (f"{tmp_path}/w/a[1].parquet",)
    assert find_files("w/b[1].parquet", "x", str(tmp_path)).flat == (f"{tmp_path}/w/b[1].parquet",)
    assert find_files("d[2]", "x", str(tmp_path)).flat == (f"{tmp_path}/d[2]/a.parquet",)


def test_a_backslash_beside_a_wildcard_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "v/a\\b.parquet", "w[1]/a\\b.parquet")
    assert find_files("v", "x", str(tmp_path)).flat == (f"{tmp_path}/v/a\\b.parquet",)
    assert refusal("w[1]", tmp_path) == (
        f"view 'x': {tmp_path}/w[1]/a\\b.parquet has a backslash beside one of *?[: rename the file or the directory"
    )


def test_a_path_that_is_not_there_names_what_is_close(tmp_path: Path) -> None:
    make(tmp_path, "flights.parquet", "weather.parquet")
    assert refusal("flight.parquet", tmp_path) == (
        f"view 'x': {tmp_path}/flight.parquet does not exist (did you mean 'flights.parquet'?): correct the path or "
        "data_root, or put the data there"
    )
    assert refusal("zzz", tmp_path) == (
        f"view 'x': {tmp_path}/zzz does not exist: correct the path or data_root, or put the data there"
    )


def test_a_directory_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "v/a.parquet")

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal("v", tmp_path) == (
        f"view 'x': cannot list {tmp_path}/v: Permission denied: change its permissions, or choose another directory"
    )
