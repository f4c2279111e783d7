"""What is opened is a regular file, or refused at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from daeda.errors import NotRegular, refusal
from daeda.storage.regular import check_regular, open_regular, read_regular, regular_descriptor

Make = Callable[[Path], None]


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


IRREGULAR: dict[str, tuple[Make, str]] = {
    "fifo": (os.mkfifo, "is a FIFO, not a regular file"),
    "socket": (_socket, "is a socket, not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file"),
    "link to a fifo": (
        lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe"))[1],
        "is a FIFO, not a regular file",
    ),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_refused_at_once_and_by_its_kind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, what = IRREGULAR[kind]
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path = Path("x")
    make(path)
    for attempt in (check_regular, open_regular, read_regular, regular_descriptor):
        with pytest.raises(NotRegular) as told:
            attempt(path)
        assert told.value.strerror == what
        assert refusal(told.value) == f"x: {what}: put a file there, or choose another path"
    with pytest.raises(NotRegular):
        regular_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)


def test_a_directory_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        open_regular(tmp_path)


def test_a_fifo_that_takes_the_place_of_a_file_in_between_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_text("a", encoding="utf-8")
    opened = os.open

    def swap(*arguments: object, **more: object) -> int:
        path.unlink()
        os.mkfifo(path)
        return opened(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swap)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(NotRegular, match="is a FIFO, not a regular file"):
        open_regular(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert read_regular(path, 3) == b"abc"
    with pytest.raises(NotRegular, match="has more than 2 bytes"):
        read_regular(path, 2)


def test_a_file_is_made_where_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        regular_descriptor(tmp_path / "x", os.O_RDWR)
    os.close(regular_descriptor(tmp_path / "x", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "x").is_file()
