"""`daeda import` of CSV files with so many rows and with five times as many, over 30 days: rows a second, and memory.

The rows stand in no order of time, as in an export: a row of each day is everywhere in the file. One row of a thousand
does not fit its type, and is kept aside.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from bench.harness import Bench, Outcome, Timed
from bench.process_tree import Measured, run_measured

Int64s = npt.NDArray[np.int64]

_DAEDA = str(Path(sys.executable).with_name("daeda"))
_ROWS = 1_000_000
_TINY_ROWS = 2_000
_TIMES = 5
_DAYS = 30
_UNFIT = 1_000
_MEMORY = "512MiB"
_BYTES_OF_ROW = 60
_BEGIN = np.datetime64("2026-04-01", "s")


def run(bench: Bench) -> Outcome:
    """Seconds of whole commands; the partitions of the longer file have five times the rows."""
    rows = _TINY_ROWS if bench.tiny else _ROWS
    sizes = {"daeda": rows, f"daeda_{_TIMES}_times_the_rows": rows * _TIMES}
    nbytes = sum(sizes.values()) * _BYTES_OF_ROW
    data = bench.data({"rows": rows, "times": _TIMES, "days": _DAYS}, nbytes, lambda path: _write(path, sizes))
    systems: dict[str, Timed] = {}
    equal = True
    with bench.scratch() as scratch:
        for name, count in sizes.items():
            runs = [_import(data / f"{name}.csv", scratch / f"{name}-{number}") for number in range(bench.rounds)]
            systems[name] = Timed(
                statistics.median(run.seconds for run, _, _ in runs),
                statistics.median(run.peak_mib for run, _, _ in runs),
                len(runs),
                {"cpu_seconds": round(statistics.median(run.cpu_seconds for run, _, _ in runs), 3)},
            )
            unfit = -(-count // _UNFIT)
            equal &= all((published, kept_aside) == (count - unfit, unfit) for _, published, kept_aside in runs)
    short, long = systems.values()
    figures = {
        "rows per second": rows / short.seconds,
        f"memory of {_TIMES} x the rows/of the rows": long.peak_mib / short.peak_mib,
        f"seconds of {_TIMES} x the rows/of the rows": long.seconds / short.seconds,
    }
    return Outcome({"rows": rows, "days": _DAYS}, systems, equal, figures)


def _write(directory: Path, sizes: dict[str, int]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, rows in sizes.items():
        random = np.random.default_rng(7)
        schema = pa.schema([("user_id", pa.int64()), *((text, pa.string()) for text in ("time", "item", "price"))])
        with pa_csv.CSVWriter(directory / f"{name}.csv", schema) as writer:
            for first in range(0, rows, 100_000):
                writer.write_table(_rows(random, np.arange(first, min(first + 100_000, rows)), schema))


def _rows(random: np.random.Generator, number: Int64s, schema: pa.Schema) -> pa.Table:
    count = len(number)
    times = _BEGIN + random.integers(0, _DAYS * 86_400, count)
    prices = np.round(random.uniform(1, 500, count), 2).astype("U8")
    prices[number % _UNFIT == 0] = "unknown"
    items = np.char.add("item-", random.integers(0, 50_000, count).astype("U6"))
    users = random.integers(0, 100_000, count)
    return pa.table([users, np.datetime_as_string(times, unit="s"), items, prices], schema=schema)


def _import(file: Path, to: Path) -> tuple[Measured, int, int]:
    """What the command took; how many rows it published and kept aside."""
    types = ["user_id=int64", "time=timestamp[us]", "item=string", "price=double"]
    words = ["import", str(file), "--to", str(to), "--timestamp-field", "time", "--memory-limit", _MEMORY, "--json"]
    run = run_measured([_DAEDA, *words, "--max-rejected", "100000", "--dtype", *types])
    (answer,) = json.loads(run.output)["files"]
    return run, int(answer["rows"]), int(answer["rejected"])
