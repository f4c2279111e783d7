"""The loader of a training loop: rows per second of `batches`, against reading and decoding the same columns alone.

The rows are 40 days of a quarter of a million: 16 numbers, a time, a text, a list of up to 32 ids, a vector of 32
float16. What is timed are four of the days; the memory is that of an epoch over all of them, beside that of the four.
The files of the other days are those of the first four once more. Row groups are those of a skeleton, and vectors in a
dictionary, as pyarrow writes them; of days as the enrichment writes them docs/decisions/0074 has figures.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import ROOT, Bench, Outcome, Timed
from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.dtypes import describe_arrow
from daeda.storage.regular import file_digest

SERVICE = "ranking"
FIRST = dt.date(2025, 1, 1)
DAYS, TIMED_DAYS, ROWS, TINY_ROWS = 40, 4, 250_000, 150
# As the sink writes them.
_ROW_GROUP, _PER_PART = 122_880, 250_000
WIDTH, DIMENSION = 32, 32
MORE = ("daeda_in_order", "daeda_numbers", "pyarrow_numbers")
# Peers, what they need, and the target of the Makefile that gives it an environment of its own.
PEERS = {"huggingface_streaming": ("datasets", "readers"), "torch_over_pyarrow": ("torch", "torch")}


def run(bench: Bench) -> Outcome:
    """Epochs of a million rows, and one of ten million."""
    # What it measures by, no environment of a peer has, and each reads this module.
    from bench.peers.script import run_script

    rows = TINY_ROWS if bench.tiny else ROWS
    key = {"rows": rows, "days": DAYS, "width": WIDTH, "dimension": DIMENSION, "version": 3}
    data = bench.data(key, 400 * rows * TIMED_DAYS, lambda path: write_days(path, rows))
    answers: dict[int, set[str]] = {TIMED_DAYS: set(), DAYS: set()}
    with bench.scratch() as scratch:

        def timed(system: str, days: int, rounds: int, python: str = sys.executable) -> Timed:
            answer = scratch / f"{system}-{days}"
            words = [system, str(data), str(days), str(answer), str(rounds)]
            found = run_script("bench.peers.read_batches", words, rounds, python=python)
            answers[days].add(answer.read_text(encoding="utf-8"))
            return found

        systems = {name: timed(name, TIMED_DAYS, bench.rounds) for name in ("daeda", "pyarrow_alone")}
        systems |= {
            name: timed(name, TIMED_DAYS, bench.rounds) for name in MORE if not bench.tiny and bench.wants(name)
        }
        for system, (module, target) in PEERS.items():
            python = _python_with(module, target)
            if python is None:
                bench.skip(system, f"{module} is not installed: `make {target}` makes an environment that has it")
            elif bench.tiny and system not in bench.only:
                bench.skip(system, "at the smallest size it is its imports and nothing else; ask for it by its name")
            elif bench.wants(system):
                systems[system] = timed(system, TIMED_DAYS, 1, python)
        systems["daeda_long_epoch"] = timed("daeda", DAYS, 1)
    if any(len(found) != 1 for found in answers.values()):
        raise SystemExit(f"loader: the systems do not have the same rows: {answers}")
    counted = {"rows": rows * TIMED_DAYS, "rows of the long epoch": rows * DAYS}
    return Outcome(counted, systems, True, _figures(systems, rows))


def _python_with(module: str, target: str) -> str | None:
    """The interpreter that has a module: this one, or that of the environment which `make target` makes."""
    if find_spec(module) is not None:
        return sys.executable
    python = ROOT / f".venv-{target}" / "bin" / "python"
    return str(python) if python.exists() else None


def _figures(systems: dict[str, Timed], rows: int) -> dict[str, float]:
    def ratio(system: str, alone: str) -> dict[str, float]:
        if system not in systems or alone not in systems:
            return {}
        own, other = systems[system], systems[alone]
        return {
            f"rows per second, {system}/{alone}": other.seconds / own.seconds,
            f"rows per second of CPU, {system}/{alone}": other.more["cpu_seconds"] / (own.more["cpu_seconds"] or 1),
        }

    figures = {
        f"{name} rows/s": rows * (DAYS if name == "daeda_long_epoch" else TIMED_DAYS) / timed.seconds
        for name, timed in systems.items()
    }
    for system, alone in (
        ("daeda", "pyarrow_alone"),
        ("daeda_in_order", "pyarrow_alone"),
        ("daeda_numbers", "pyarrow_numbers"),
    ):
        figures |= ratio(system, alone)
    return figures | {"memory of 10M rows/of 1M rows": systems["daeda_long_epoch"].peak_mib / systems["daeda"].peak_mib}


def write_days(root: Path, rows: int) -> None:
    """Publish the days, in parts and row groups as a run writes them; those behind the timed ones have their files."""
    layout = Layout(root / SERVICE)
    written: list[tuple[Part, ...]] = []
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        directory = Path(str(layout.day_dir("enriched", day)))
        directory.mkdir(parents=True)
        if number < TIMED_DAYS:
            written.append(tuple(_write(directory / part_name(part), table) for part, table in _tables(number, rows)))
        else:
            before = Path(str(layout.day_dir("enriched", FIRST + dt.timedelta(days=number % TIMED_DAYS))))
            for part in written[number % TIMED_DAYS]:
                os.link(before / part.name, directory / part.name)
        columns = tuple(ColumnStatistics(one.name, describe_arrow(one.type), 0) for one in _schema())
        by_hand = Fingerprint({"bench": "1"}, {}, {})
        parts = written[number % TIMED_DAYS]
        manifest = Manifest(SERVICE, "enriched", day.isoformat(), rows, parts, columns, by_hand)
        (directory / "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _write(path: Path, table: pa.Table) -> Part:
    pq.write_table(table, path, row_group_size=_ROW_GROUP, compression="zstd")
    return Part(path.name, table.num_rows, path.stat().st_size, file_digest(path))


def _schema() -> pa.Schema:
    numbers = [(f"count_{number}", pa.int64()) for number in range(6)]
    numbers += [(f"sum_{number}", pa.float64()) for number in range(8)]
    others = [("category", pa.string()), ("recent", pa.list_(pa.int64())), ("vector", pa.list_(pa.float16()))]
    ids = [("user_id", pa.int64()), ("item_id", pa.int64()), ("time", pa.timestamp("us"))]
    return pa.schema([*ids, *numbers, *others, ("label", pa.bool_())])


def _tables(day: int, rows: int) -> Iterator[tuple[int, pa.Table]]:
    generator = np.random.default_rng(day)
    for part, first in enumerate(range(0, rows, _PER_PART)):
        yield part, _table(generator, min(_PER_PART, rows - first), day)


def _table(generator: np.random.Generator, rows: int, day: int) -> pa.Table:
    start = np.datetime64(FIRST, "us") + np.timedelta64(day, "D")
    lengths = np.where(generator.random(rows) < 0.6, WIDTH, generator.integers(0, WIDTH + 1, rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items = _zipf(generator, int(offsets[-1]), 1_000_000)
    halves = generator.standard_normal((rows, DIMENSION), np.float32).astype(np.float16)
    arrays = {
        "user_id": pa.array(generator.integers(0, 2_000_000, rows)),
        "item_id": pa.array(_zipf(generator, rows, 1_000_000)),
        "time": pa.array(start + np.sort(generator.integers(0, 86_400_000_000, rows)).astype("timedelta64[us]")),
        "category": pa.array(np.array([f"category {number}" for number in range(400)])[_zipf(generator, rows, 400)]),
        "recent": pa.ListArray.from_arrays(pa.array(offsets), pa.array(items)),
        "vector": pa.ListArray.from_arrays(
            pa.array(np.arange(rows + 1, dtype=np.int32) * DIMENSION), pa.array(halves.reshape(-1))
        ),
        "label": pa.array(generator.random(rows) < 0.05),
    }
    for number in range(6):
        arrays[f"count_{number}"] = pa.array(generator.poisson(3 * number + 1, rows))
    for number in range(8):
        values = generator.gamma(2.0, 10.0, rows)
        arrays[f"sum_{number}"] = pa.array(values, mask=generator.random(rows) < 0.02 * number)
    return pa.table({name: arrays[name] for name in _schema().names}, schema=_schema())


def _zipf(generator: np.random.Generator, count: int, most: int) -> np.ndarray:
    """Ids of which few are frequent."""
    return (most ** generator.random(count)).astype(np.int64) % most
