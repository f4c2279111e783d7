"""A disk of a test's own, which can be filled, and a directory that can be read-only to its user, whoever that is."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(directory: Path, size: int) -> Iterator[Path]:
    """A file system of its own of `size` bytes; skips the test where nothing can be mounted."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextlib.contextmanager
def kept_full(disk: Path) -> Iterator[None]:
    """Within the block all that is free on a disk is taken, and whatever others give back; behind it the disk is free.

    Who works there removes files, and could write again if the disk was only filled once.
    """
    ballast, full, over = disk / "ballast", threading.Event(), threading.Event()

    def take() -> None:
        with ballast.open("wb", buffering=0) as file:
            while not over.is_set():
                try:
                    file.write(bytes(4096))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    full.set()
                    over.wait(0.005)

    taking = threading.Thread(target=take, name="ballast")
    taking.start()
    try:
        assert full.wait(60)
        yield
    finally:
        over.set()
        taking.join()
        ballast.unlink()


@contextlib.contextmanager
def mounted_again(directory: Path, place: Path) -> Iterator[Callable[[], None]]:
    """The directory at another place as well; what is yielded makes it read-only there. Skips the test where nothing
    can be mounted.
    """
    place.mkdir()
    mount = ["mount", "--bind", str(directory), str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")

    def make_read_only() -> None:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)

    try:
        yield make_read_only
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
