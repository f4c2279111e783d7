"""Memory for the arrays of windows and batches, which is used again once nobody has an array that lies in it.

The system clears each page of fresh memory, and that takes as long as filling it: a fifth of the processor time of an
epoch (docs/decisions/0074). What one epoch had, the next one of the process has (docs/decisions/0078).
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# What is smaller comes from Python's and the system's own stores, which keep it.
_SMALLEST = 1 << 16
# What is asked of the system at once.
_TOGETHER = 1 << 24
# Of a page of that size there is one entry in the processor's table of pages, where there would be 512.
_LARGE_PAGE = 1 << 21
_MADVISE = ctypes.CDLL(None).madvise
_MADVISE.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


@dataclass
class _Use:
    """Whether an epoch has the memory, or it waits for one."""

    waits: bool = False


class Memory:
    """Arrays with anything in them. For any thread.

    Of each size `most` pieces that nobody has are kept, or as many as are asked of the system at once (16 MiB).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[int, list[Array]] = {}
        self._use = _Use()

    def array(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> Array:
        """An array of a shape, in memory that nobody else has until it and all its views are gone."""
        kind = np.dtype(kind)
        size = prod(shape) * kind.itemsize
        if size < _SMALLEST:
            return np.empty(shape, kind)
        # Sizes of one power of two share their pieces; what is not written to takes no room.
        room = 1 << (size - 1).bit_length()
        kept = self._kept.setdefault(room, [])
        try:
            own = kept.pop()
        except IndexError:
            own, *others = np.split(_fresh(max(room, _TOGETHER)), max(1, _TOGETHER // room))
            kept += others
        most = max(self._most, _TOGETHER // room)
        return np.asarray(_Lent(own, kept, most, self._use))[:size].view(kind).reshape(shape)

    def offer(self) -> None:
        """Let the system have the pages of what nobody has, whenever it needs some; until then they stay.

        What comes back from now on is offered too, until `take`: the last windows and batches are with somebody still.
        """
        self._use.waits = True
        for pieces in list(self._kept.values()):
            offered = []
            # Nobody gets a piece meanwhile.
            while pieces:
                try:
                    piece = pieces.pop()
                except IndexError:
                    break
                if len(piece) % mmap.PAGESIZE == 0:
                    _MADVISE(piece.ctypes.data, len(piece), mmap.MADV_FREE)
                offered.append(piece)
            pieces += reversed(offered)

    def take(self) -> None:
        """Offer no more of it: an epoch has it."""
        self._use.waits = False

    @property
    def kept(self) -> dict[int, int]:
        """How many pieces of each size nobody has."""
        return {size: len(pieces) for size, pieces in self._kept.items() if pieces}

    def joined(self, arrays: Sequence[Array]) -> Array:
        """Arrays of one type behind each other."""
        return np.concatenate(arrays, out=self.array((sum(map(len, arrays)),), arrays[0].dtype))

    def taken(self, array: Array, order: npt.NDArray[np.int64]) -> Array:
        """Items of an array, which has them all, in an order."""
        # With `raise` numpy would fill a copy of `out`.
        return array.take(order, out=self.array((len(order),), array.dtype), mode="clip")


def _fresh(size: int) -> Array:
    """Bytes of the system, in large pages where it has them; raises MemoryError where it has none."""
    try:
        mapped = mmap.mmap(-1, size + _LARGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"the system gives no {size + _LARGE_PAGE:,} bytes more: {error.strerror}") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # A kernel that was built without large pages refuses; it has others.
        with suppress(OSError):
            mapped.madvise(mmap.MADV_HUGEPAGE)
    own = np.frombuffer(mapped, np.uint8)
    first = -own.ctypes.data % _LARGE_PAGE
    return own[first : first + size]


@contextmanager
def memory_of_epoch(use: object, most: int) -> Iterator[Memory]:
    """The memory that the last epoch has left, if that was of the same use, or fresh memory.

    One memory of the process waits so, with the pieces that nobody has. The system may take their pages meanwhile.
    """
    try:
        before, memory = _left.pop()
    except IndexError:
        before, memory = use, Memory(most)
    if before != use:
        memory = Memory(most)
    memory.take()
    try:
        yield memory
    finally:
        memory.offer()
        _left[:] = [(use, memory)]


_left: list[tuple[object, Memory]] = []


class _Lent:
    """What arrays in a piece of memory have as their base: with the last of them the piece is given back."""

    def __init__(self, own: Array, kept: list[Array], most: int, use: _Use) -> None:
        self._own = own
        self._kept = kept
        self._most = most
        self._use = use
        self.__array_interface__: dict[str, Any] = own.__array_interface__

    # What it needs is bound here: at the end of the interpreter modules have nothing any more.
    def __del__(self, madvise: Any = _MADVISE, free: int = mmap.MADV_FREE, page: int = mmap.PAGESIZE) -> None:
        if len(self._kept) < self._most:
            size = self._own.nbytes
            if self._use.waits and size % page == 0:
                # Nobody can be given it yet.
                madvise(self.__array_interface__["data"][0], size, free)
            self._kept.append(self._own)
