"""Write a sample of the art feed, in the layout that config/training/runtime.yaml expects.

    python -m sample_data [--days 14] [--users 800] [--artworks 2000] [--dimensions 32] [--seed 7] [--data data]

The same options give the same rows. A second run that finds them does nothing. What it writes below the directory:

    feed_events/dt=YYYY-MM-DD/part-0.parquet          the feed, one directory for each day
    artwork_properties/dt=YYYY-MM-DD/part-0.parquet   only days that have a row
    user_profile.parquet                              one file
    artwork_embeddings.lance                          the store, version 1
    covered_artworks.parquet                          ids that have a vector, exported beside the store
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sample_data.artworks import (
    FIRST_ID,
    Artworks,
    has_vector,
    make_artworks,
    property_rows,
    vector_batches,
)
from sample_data.feed import SCHEMA, visits_that_begin_on
from sample_data.options import DAY_MS, Options
from sample_data.users import profile_rows, tastes

LAYOUT = 1
"""What this module writes, counted up when that changes: a sample of another layout is made anew."""

MARKER = "sample.json"
"""Written last: the options that the sample was made with."""


class SampleError(Exception):
    """The sample cannot be made; the message says why and what to do."""


def generate(options: Options, data: Path) -> bool:
    """Make the sample below `data`; False if it is there already. Raises SampleError."""
    artworks = make_artworks(options)
    outputs: dict[str, Callable[[Path], str]] = {
        "feed_events": lambda path: _write_feed(options, artworks, path),
        "artwork_properties": lambda path: _write_properties(options, artworks, path),
        "user_profile.parquet": lambda path: _write(profile_rows(options), path),
        "artwork_embeddings.lance": lambda path: _write_store(options, artworks, path),
        "covered_artworks.parquet": lambda path: _write(_covered(options), path),
    }
    marker, work = data / MARKER, data / ".sample-in-work"
    wanted = json.dumps({"layout": LAYOUT, **options.described()}, indent=1) + "\n"
    if marker.is_file():
        if marker.read_text(encoding="utf-8") == wanted and all((data / name).exists() for name in outputs):
            return False
    elif not work.exists() and (foreign := [name for name in outputs if (data / name).exists()]):
        raise SampleError(f"{data / foreign[0]} exists and is not of a sample: choose another directory with --data")
    _remove(work)
    work.mkdir(parents=True)
    for name, write in outputs.items():
        _say(f"{name}: {write(work / name)}")
    _remove(marker)
    for name in outputs:
        _remove(data / name)
        (work / name).replace(data / name)
    (work / MARKER).write_text(wanted, encoding="utf-8")
    (work / MARKER).replace(marker)
    _remove(work)
    return True


def _write_feed(options: Options, artworks: Artworks, target: Path) -> str:
    """One day at a time, with what the visits of the day before have left over."""
    taste, rows = tastes(options), 0
    left_over = SCHEMA.empty_table()
    for number in range(options.days):
        begun = visits_that_begin_on(options, artworks, taste, number)
        end = options.start_ms + (number + 1) * DAY_MS
        late = pc.greater_equal(begun.column("event_timestamp"), end)
        day = pa.concat_tables([left_over, begun.filter(pc.invert(late))])
        left_over = begun.filter(late)
        rows += day.num_rows
        _write(day, target / f"dt={options.start + dt.timedelta(days=number)}" / "part-0.parquet")
    return f"{rows:,} rows in {options.days} days, {options.start} to {options.last_day}"


def _write_properties(options: Options, artworks: Artworks, target: Path) -> str:
    """A row lies in the partition of its valid_from, a late correction too."""
    rows = property_rows(options, artworks)
    numbers = rows.column("valid_from").to_numpy() // DAY_MS
    order = np.argsort(numbers, kind="stable")
    found, first = np.unique(numbers[order], return_index=True)
    for number, places in zip(found.tolist(), np.split(order, first[1:]), strict=True):
        day = dt.date(1970, 1, 1) + dt.timedelta(days=number)
        _write(rows.take(places), target / f"dt={day}" / "part-0.parquet")
    return f"{rows.num_rows:,} rows of {len(artworks):,} artworks in {len(found)} days"


def _write_store(options: Options, artworks: Artworks, target: Path) -> str:
    import lance  # takes as long to import as all the rest of a second run

    vector = pa.list_(pa.float32(), options.dimensions)
    schema = pa.schema([("artwork_id", pa.int64()), ("vector", vector)])
    reader = pa.RecordBatchReader.from_batches(schema, vector_batches(options, artworks, schema))
    store = lance.write_dataset(reader, str(target), mode="create")
    return f"{store.count_rows():,} rows of {options.dimensions} numbers, version {store.version}"


def _covered(options: Options) -> pa.Table:
    return pa.table({"artwork_id": pa.array(FIRST_ID + np.flatnonzero(has_vector(options)))})


def _write(rows: pa.Table, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, target, compression="zstd")
    return f"{rows.num_rows:,} rows"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return number


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day: write YYYY-MM-DD") from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        _say(f"{self.prog}: error: {message}")
        raise SystemExit(2)


def _harmless(text: str) -> str:
    """The text without what a terminal would obey, or not show."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _say(line: str) -> None:
    print(_harmless(line), file=sys.stderr, flush=True)


def _directory(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty: give a directory, or leave it out; is a variable not set?")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    usual = Options()
    parser = _Parser(prog="python -m sample_data", allow_abbrev=False, description="Make a sample of the art feed.")
    parser.add_argument("--days", type=_count, default=usual.days, help="days of the feed (%(default)s)")
    parser.add_argument("--users", type=_count, default=usual.users, help="users (%(default)s)")
    parser.add_argument("--artworks", type=_count, default=usual.artworks, help="artworks (%(default)s)")
    parser.add_argument("--dimensions", type=_count, default=usual.dimensions, help="length of a vector (%(default)s)")
    parser.add_argument("--seed", type=_count, default=usual.seed, help="another seed, another sample (%(default)s)")
    parser.add_argument("--start", type=_day, default=usual.start, help="first day of the feed (%(default)s)")
    beside = Path(__file__).resolve().parents[1] / "data"
    parser.add_argument(
        "--data", type=_directory, default=beside, metavar="DIR", help="default: data, in the project root"
    )
    return parser


def _advice(options: Options) -> list[str]:
    """What the configuration has to say about a sample that is not the usual one."""
    usual, advice = Options(), []
    if options.dimensions != usual.dimensions:
        advice.append(f"set artwork_embed_dim: {options.dimensions} in config/base.yaml")
    if (options.start, options.days) != (usual.start, usual.days):
        # The last day waits for its label, which looks a day ahead.
        last = max(options.start, options.last_day - dt.timedelta(days=1))
        first = min(options.start + dt.timedelta(days=7), last)
        advice.append(f"train days from {first} to {last} (feed_start, feed_end in runtime.yaml)")
    return advice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the generator; the directory of the data goes to stdout. Returns the exit code."""
    given = vars(_parser().parse_args(arguments))
    data = given.pop("data")
    options = Options(**given)
    try:
        made = generate(options, data)
    except (SampleError, OSError) as error:
        _say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        _say("interrupted: run it again, it starts from the beginning")
        return 130
    _say("the sample is ready" if made else "the sample is there already: nothing to do")
    for line in _advice(options):
        _say(line)
    print(_harmless(str(data)))
    return 0
