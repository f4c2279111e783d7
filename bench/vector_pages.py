"""Writing a column of vectors: by pyarrow as it comes, and by the pages of enrich/part/vector_parquet.py (decision 17).

Both write the same float16 vectors into memory, in the same row groups, on one thread; both files are read again and
compared. The digest that a published part needs is made by both.
Usage: python -m bench.vector_pages [--rows 100000] [--dimension 1152] [--rounds 5]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.machine import describe_machine
from enrich.part.vector_parquet import EMBEDDING, VectorFile, rows_per_page

RESULT = Path(__file__).parent / "results" / "vector_pages.json"
SEED = 1
NAME = "vector"
SCHEMA = pa.schema([(NAME, EMBEDDING)])
GROUP_BYTES = 32 * 1024**2

Write = Callable[[pa.ListArray, int], bytes]


def main(arguments: Sequence[str] | None = None) -> int:
    """Time both, print what was found, and write the result; 1 where the vectors that are read differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.vector_pages", description="Writing a column of vectors.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=1152)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    vectors = make_vectors(given.rows, given.dimension)
    ways: dict[str, Write] = {"pyarrow": by_pyarrow, "pages": by_pages}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    equal = True
    for _ in range(given.rounds):
        for name, write in ways.items():
            started = time.process_time()
            content = write(vectors, given.dimension)
            seconds[name].append(time.process_time() - started)
            read = pq.read_table(pa.BufferReader(content)).column(NAME).combine_chunks()
            equal = equal and read.equals(vectors)
    median = {name: statistics.median(found) for name, found in seconds.items()}
    result = {
        "workload": "vector_pages",
        "rows": given.rows,
        "dimension": given.dimension,
        "rounds": given.rounds,
        "machine": describe_machine(),
        "cpu_seconds": {name: round(value, 3) for name, value in median.items()},
        "pyarrow/pages": round(median["pyarrow"] / median["pages"], 2),
        "equal": equal,
    }
    given.result.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if equal else 1


def make_vectors(rows: int, dimension: int) -> pa.ListArray:
    """Normal numbers, one vector in sixteen NULL."""
    chance = np.random.default_rng(SEED)
    absent = chance.random(rows) < 1 / 16
    values = chance.standard_normal((int((~absent).sum()), dimension), dtype=np.float32).astype(np.float16)
    offsets = np.concatenate([[0], np.cumsum(~absent)]) * dimension
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values.reshape(-1)), mask=pa.array(absent))


def by_pyarrow(vectors: pa.ListArray, dimension: int) -> bytes:
    """pyarrow's writer with the settings that suit vectors: plain, LZ4, no statistics."""
    target = io.BytesIO()
    rows = group_rows(dimension)
    options = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.table([vectors], SCHEMA), target, row_group_size=rows, version="2.6", **options)
    return digested(target)


def by_pages(vectors: pa.ListArray, dimension: int) -> bytes:
    """The product's writer."""
    target = io.BytesIO()
    with VectorFile(target, SCHEMA, {NAME: dimension}) as file:
        for group in cut(vectors, group_rows(dimension)):
            file.write_rows(pa.table([pa.nulls(len(group), EMBEDDING)], SCHEMA))
            for page in cut(group, rows_per_page(dimension)):
                file.write_page(NAME, contiguous(page))
    return target.getvalue()


def group_rows(dimension: int) -> int:
    """Rows of a row group."""
    return max(1, GROUP_BYTES // (2 * dimension))


def cut(vectors: pa.ListArray, rows: int) -> Iterator[pa.ListArray]:
    """Slices of so many rows."""
    for first in range(0, len(vectors), rows):
        yield vectors.slice(first, rows)


def contiguous(page: pa.ListArray) -> pa.ListArray:
    """The page with values of its own, as the pooling kernel makes them."""
    return pa.concat_arrays([page])


def digested(target: io.BytesIO) -> bytes:
    content = target.getvalue()
    hashlib.sha256(content).hexdigest()
    return content


if __name__ == "__main__":
    raise SystemExit(main())
