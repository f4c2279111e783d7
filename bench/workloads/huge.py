"""One day of 100 million events and 20 million rows, in the memory that *large* has for a tenth of them.

Both are built in one run, for what is asked is the time per event. The scripts of *large* hold all events in memory,
several times over, and are not run; the rows of some users are compared with what one of them makes of their events.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.feed import LAST_DAY, write_feed
from bench.harness import THREADS, Bench, Outcome, Timed
from bench.own import Built, build, profile
from bench.peers.script import run_script
from bench.workloads.five_features import FEEDS, LIMITS, TINY, five_features
from daeda.settings.kinds import parse_size

LARGE = FEEDS["large"]
TIMES = 10
HUGE = replace(
    LARGE,
    rows_per_history_day=TIMES * LARGE.rows_per_history_day,
    spine_rows=TIMES * LARGE.spine_rows,
    users=TIMES * LARGE.users,
    artworks=TIMES * LARGE.artworks,
)
# Every so manieth user is compared.
_EVERY = 1_000


def run(bench: Bench) -> Outcome:
    """daeda over *large* and over ten times as much, with the same limit."""
    large = replace(LARGE, **TINY) if bench.tiny else LARGE
    huge = replace(large, spine_rows=TIMES * TINY["spine_rows"], users=TIMES * TINY["users"]) if bench.tiny else HUGE
    limit = LIMITS["large"]
    with bench.scratch() as scratch:
        systems: dict[str, Timed] = {}
        notes = []
        for name, feed, rounds in (("large", large, min(bench.rounds, 3)), ("huge", huge, 1)):
            data = bench.data(feed.parameters(), feed.nbytes, partial(write_feed, feed=feed))
            runtime = five_features(memory_limit=limit).write(scratch / name / "project", data, LAST_DAY, LAST_DAY)
            built = build(bench, runtime, rounds=rounds)
            systems[f"daeda_{name}"] = built.timed
            notes.append(profile(built, system=f"daeda_{name}"))
            if name == "huge":
                _check_some_users(scratch / "some", data, built, 10 if bench.tiny else _EVERY)
    per_event = {
        name: systems[f"daeda_{name}"].seconds / feed.events for name, feed in (("large", large), ("huge", huge))
    }
    figures = {
        **{f"{name}, seconds per million events": seconds * 1e6 for name, seconds in per_event.items()},
        "time per event, huge/large": per_event["huge"] / per_event["large"],
        "memory limit in MiB": parse_size(limit) / 2**20,
        "peak of huge/limit": systems["daeda_huge"].peak_mib * 2**20 / parse_size(limit),
    }
    return Outcome({"spine": huge.spine_rows, "events": huge.events}, systems, True, figures, tuple(notes))


def _check_some_users(directory: Path, data: Path, built: Built, every: int) -> None:
    """Raise Different unless their rows are those of the script that is given their events alone.

    The script packs a user and a time in one integer, and takes no ids from 2^21 on: users are numbered anew.
    """
    chosen, numbered = f"user_id % {every} = 0", f"* REPLACE (user_id // {every} AS user_id)"
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    connection.execute("SET memory_limit = '4GiB'")
    for day in sorted((data / "ev").iterdir()):
        partition = directory / "ev" / day.name
        partition.mkdir(parents=True)
        connection.execute(
            f"COPY (SELECT {numbered} FROM read_parquet('{day}/*.parquet', hive_partitioning = false) WHERE {chosen})"
            f" TO '{partition}/part-0-0.parquet'"
        )
    connection.execute(
        f"COPY (SELECT {numbered} FROM '{data}/levels.parquet' WHERE {chosen}) TO '{directory}/levels.parquet'"
    )
    answer = directory / "answer.parquet"
    run_script("bench.peers.five_features", ["duckdb", str(directory), str(answer), "1", str(THREADS)], 1)
    day_directory = built.skeleton / f"dt={LAST_DAY}"
    own: pa.Table = connection.execute(
        f"SELECT {numbered} FROM read_parquet('{day_directory}/*.parquet', hive_partitioning = false) WHERE {chosen}"
    ).to_arrow_table()
    check_equal(own, pq.read_table(answer), f"the script, of every {every}th user")
