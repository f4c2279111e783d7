"""What numpy cannot read of a page of Parquet, as machine code: runs of levels, and of places in a dictionary.

Parquet keeps small numbers in runs, each behind a header: either one number that is repeated, or groups of eight
numbers of so many bits. A list column has a run for every row or two, too many for numpy; LLVM comes with llvmlite, and
run_code.py has the text in its language (docs/decisions/0013-kernel-in-llvm.md says why). The code is made in memory,
once in a process, in about a tenth of a second.

Levels, of which there are as many as items, are in no memory: 64 bits of them are looked at together, and what is kept
is where each row begins, and one level of it.

Nothing is trusted: a run that ends behind the bytes, has more numbers than are left, or a number that nothing has, ends
the work, and the answer is -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda_data.loader.machine_code import ADDRESS, NUMBER, Code, compiled
from daeda_data.loader.run_code import DECLARATIONS, FUNCTIONS

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

# Bytes behind those of the runs that are read.
SLACK = 8
# Bits of the numbers that are places in a dictionary.
MOST_BITS = 32
# Levels of definition of a list column: of a list that is NULL or has no item, and of an item that is NULL or a value.
NULL, EMPTY, NULL_ITEM, VALUE = range(4)


@dataclass
class Rows:
    """What levels tell of the rows of a list column, page by page.

    Of row r, `starts[r]` is its first level, counted from the first page on, and `firsts[r]` what that says of its
    definition. So far there are `count` rows, so many `levels`, and `values` of them are values.
    """

    starts: npt.NDArray[np.int32]
    firsts: Bytes
    count: int = 0
    levels: int = 0
    values: int = 0

    @staticmethod
    def of(most: int) -> Rows:
        """None yet, and room for so many."""
        return Rows(np.empty(most, np.int32), np.empty(most, np.uint8))


@dataclass(frozen=True)
class Kernel:
    """The machine code."""

    code: Code

    def levels(self, repetitions: Bytes, definitions: Bytes, count: int, rows: Rows) -> bool:
        """Add `count` levels of a page to what is known of rows; False unless they are what the bytes hold exactly.

        Of both kinds of levels there are SLACK bytes more, which are none of them. After False the rows are of no use.
        """
        assert len(repetitions) >= SLACK <= len(definitions)
        # In the words of run_code.py: the number of rows, for how many there is room, and levels of pages before.
        about = np.array([rows.count, len(rows.firsts), rows.levels], np.int64)
        if not self._read("starts", repetitions, 1, count, about, rows.starts):
            return False
        # The row to go on with, rows, levels of pages before, values of this page, and where rows begin.
        more = np.array([rows.count, about[0], rows.levels, 0, rows.starts.ctypes.data], np.int64)
        if not self._read("firsts", definitions, 2, count, more, rows.firsts):
            return False
        rows.count, rows.levels, rows.values = int(about[0]), rows.levels + count, rows.values + int(more[3])
        return True

    def _read(self, name: str, runs: Bytes, bits: int, count: int, about: Indices, out: npt.NDArray[Any]) -> bool:
        size = len(runs) - SLACK
        found = self.code.functions[name](
            runs.ctypes.data, size, bits, count, about.ctypes.data, 1 << bits, out.ctypes.data
        )
        return found == size

    def values(self, runs: Bytes, size: int, bits: int, dictionary: npt.NDArray[Any], out: npt.NDArray[Any]) -> bool:
        """Fill `out` with values of a dictionary, whose places are the first `size` bytes; False unless they are.

        `runs` has room for SLACK more. Values have 2, 4 or 8 bytes.
        """
        assert len(runs) >= size + SLACK
        assert 0 <= bits <= MOST_BITS
        assert dictionary.dtype == out.dtype
        assert all(array.flags.c_contiguous for array in (runs, dictionary, out))
        if not len(dictionary):
            return not len(out)
        found = self.code.functions[f"values_{out.itemsize}"](
            runs.ctypes.data, size, bits, len(out), dictionary.ctypes.data, len(dictionary), out.ctypes.data
        )
        return found == size

    def lz4_size(self, block: Bytes) -> int:
        """How many bytes a block of LZ4 becomes, which its decoder does not say; -1 where it is none."""
        return self.code.functions["lz4_size"](block.ctypes.data, len(block))


@cache
def kernel() -> Kernel | None:
    """The kernel of this process; None where there cannot be any."""
    of_runs = (NUMBER, ADDRESS, NUMBER, NUMBER, NUMBER, ADDRESS, NUMBER, ADDRESS)
    signatures = {name: (NUMBER, ADDRESS, NUMBER) if name == "lz4_size" else of_runs for name in FUNCTIONS}
    code = compiled(DECLARATIONS + "".join(FUNCTIONS.values()), signatures)
    return None if code is None else Kernel(code)
