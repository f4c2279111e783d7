"""Memory that other processes of this host map: a file without a name, which goes with the last process that has it.

    driver   arrays of a file          given up when their day is done
    actors   the same pages, mapped    /proc/<process of the driver>/fd/<descriptor>, for reading alone

An object store keeps the pages of what it has let go of, and uses them again. These are the kernel's as soon as nobody
has the file open or mapped, however its processes end. Other hosts cannot have them.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daeda.errors import DayError

_PREFIX = "daeda-vectors-"
# What is mapped begins where a page of memory does.
_PAGE = mmap.ALLOCATIONGRANULARITY


class Slot(NamedTuple):
    """Some bytes of the memory: where they begin, and how many there are."""

    start: int
    size: int


@dataclass(frozen=True)
class Location:
    """Where a process of this host opens the memory: a path, and the name that the file behind it must have."""

    path: str
    name: str

    def map(self) -> memoryview:
        """The bytes, for reading alone; they stay while anything made of them does. DayError when they cannot be had.

        The name tells the file from one that another process has under the same descriptor, here or on another host.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = str(Path(f"/proc/self/fd/{descriptor}").readlink())
                if not found.startswith(f"/memfd:{self.name}"):
                    raise DayError(f"the vectors of the day are not at {self.path}, where {found} is: run again")
                return memoryview(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DayError(
                f"the vectors of the day, which its run shares in memory, cannot be mapped ({error.strerror}): run "
                "with --no-preload-day-embeddings"
            ) from error


class SharedMemory:
    """A file in memory, which this process fills with arrays and keeps until it is closed."""

    def __init__(self, descriptor: int, location: Location) -> None:
        self._descriptor = descriptor
        self._end = 0
        self.location = location

    @classmethod
    def make(cls) -> SharedMemory | None:
        """New memory; None where this system has none that other processes find."""
        name = f"{_PREFIX}{uuid.uuid4().hex}"
        with contextlib.suppress(OSError, AttributeError):
            descriptor = os.memfd_create(name)
            # A file without bytes cannot be mapped.
            os.ftruncate(descriptor, _PAGE)
            memory = cls(descriptor, Location(f"/proc/{os.getpid()}/fd/{descriptor}", name))
            if memory._can_be_found():
                return memory
            memory.close()
        return None

    def _can_be_found(self) -> bool:
        try:
            self.location.map()
        except DayError:
            return False
        return True

    def array(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> tuple[npt.NDArray[Any], Slot]:
        """A new array in the memory, all zeros, and where it lies. Its pages are taken when they are written.

        Raises DayError where the system refuses so much.
        """
        dtype = np.dtype(kind)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        slot = Slot(self._end, size)
        if not size:
            return np.zeros(shape, dtype), slot
        self._end += -(-size // _PAGE) * _PAGE
        try:
            os.ftruncate(self._descriptor, self._end)
            mapped = mmap.mmap(self._descriptor, size, offset=slot.start)
        except OSError as error:
            raise DayError(
                f"the vectors of the day need {size >> 20} MiB of memory that processes share, and the system refuses "
                f"({error.strerror}): run with --no-preload-day-embeddings"
            ) from error
        return np.frombuffer(mapped, dtype).reshape(shape), slot

    def keep(self, data: memoryview) -> Slot:
        """Copy bytes into the memory."""
        array, slot = self.array((data.nbytes,), np.uint8)
        array[:] = np.frombuffer(data, np.uint8)
        return slot

    def close(self) -> None:
        """Nobody opens the memory any more; who has it mapped keeps it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()
