"""A point-in-time join of 200k spine rows of one day with 1M events of 60 days: the newest row of the user, at most as
old as the row itself. Feast knows no other comparison, so the view says `allow_exact: true`.

The files have the shape that the reference scripts pit.py and feast_pit.py read, which run unchanged, a process for
each round. Times are whole minutes, so that ties are frequent; of several rows at one time the last one created counts.
No two rows of the spine share user and time: Feast's default store would drop them.
"""

from __future__ import annotations

import datetime as dt
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.feed import midnight_ms
from bench.harness import SHARED_PEERS, THREADS, Bench, Outcome, Timed
from bench.own import build, profile
from bench.peers.feast_environment import NoFeast, feast_python
from bench.peers.reference import run_reference
from bench.peers.script import run_script
from bench.process_tree import run_measured
from bench.project import Project

FIRST_DAY = dt.date(2026, 1, 1)
DAY = FIRST_DAY + dt.timedelta(days=59)
# System: the engine's name in pit.py.
ENGINES = {"duckdb_asof_reduced": "duckdb", "polars_join_asof": "polars", "pandas_merge_asof": "pandas"}
HAND_WRITTEN = {"duckdb_io_handwritten": "duckdb", "polars_io_handwritten": "polars"}
RATIO = "daeda/quickest script that is right on ties"
_COLUMNS = ("rid", "user_id", "ts", "amount")
_SLOW_ROUNDS = 3


@dataclass(frozen=True)
class Size:
    """Rows of events and spine, and users."""

    events: int = 1_000_000
    spine: int = 200_000
    users: int = 20_000


def write_files(directory: Path, size: Size) -> None:
    """pit/ev.parquet and pit/sp.parquet, as the scripts read them."""
    generator = np.random.default_rng(3)
    start = midnight_ms(FIRST_DAY) * 1000
    minutes = generator.integers(0, 60 * 1440, size.events)
    events = pa.table(
        {
            "user_id": generator.integers(0, size.users, size.events),
            "ts": _times(start + minutes * 60_000_000),
            "amount": generator.integers(1, 100_001, size.events),
            "created": _times(start + 60 * 86_400_000_000 + np.arange(size.events)),
            "seq": np.arange(size.events),
        }
    )
    # Pairs of user and minute without repetition, in no order.
    pairs = generator.choice(size.users * 1440, size.spine, replace=False)
    spine = pa.table(
        {
            "rid": np.arange(size.spine),
            "user_id": pairs // 1440,
            "ts": _times(midnight_ms(DAY) * 1000 + pairs % 1440 * 60_000_000),
        }
    )
    (directory / "pit").mkdir()
    pq.write_table(events, directory / "pit" / "ev.parquet")
    pq.write_table(spine, directory / "pit" / "sp.parquet")


def _times(microseconds: Any) -> pa.Array:
    return pa.array(microseconds).cast(pa.timestamp("us", tz="UTC"))


def project() -> Project:
    """`created` is declared before `amount`, so ties go to the greatest created."""
    stamp = "timestamp[us, UTC]"

    def of(path: str, *fields: tuple[str, str]) -> dict[str, Any]:
        named = [{"name": name, "dtype": dtype} for name, dtype in (("user_id", "int64"), ("ts", stamp), *fields)]
        return {"entity": "user", "source": {"path": path, "timestamp_field": "ts"}, "fields": named}

    return Project(
        views={
            "spine": of("pit/sp.parquet", ("rid", "int64")),
            "uf": {**of("pit/ev.parquet", ("created", stamp), ("amount", "int64")), "allow_exact": True},
        },
        kept=("rid", "user_id", "ts"),
        time="ts",
        grain=("user_id",),
        looked_up={"uf:amount": "int64"},
    )


def run(bench: Bench) -> Outcome:
    """daeda, the hand-written scripts, the joins of three libraries, and two stores of Feast."""
    size = Size(3_000, 500, 60) if bench.tiny else Size()
    data = bench.data({"size": str(size), "version": 1}, size.events * 60, lambda path: write_files(path, size))
    with bench.scratch() as scratch:
        built = build(bench, project().write(scratch / "project", data, DAY, DAY))
        own = built.day(DAY)
        systems = {"daeda": built.timed}
        for system, way in HAND_WRITTEN.items():
            if bench.wants(system):
                answer = scratch / f"{system}.parquet"
                words = [way, str(data), str(answer), str(bench.rounds), str(THREADS)]
                systems[system] = run_script("bench.peers.newest_row", words, bench.rounds)
                check_equal(own, pq.read_table(answer), system)
        systems |= _references(bench, data, scratch, own)
    notes: tuple[str, ...] = (profile(built),)
    figures = {}
    # Each of them was compared, so all are right on ties.
    scripts = [systems[name].seconds for name in (*HAND_WRITTEN, *ENGINES) if name in systems]
    if scripts:
        figures[RATIO] = systems["daeda"].seconds / min(scripts)
    if "feast_default" in systems:
        notes += ("feast_default is outside of the gate: rows_lost and rows_wrong say how its answer differs",)
    if "feast_duckdb" in systems:
        figures["feast_duckdb/daeda"] = systems["feast_duckdb"].seconds / systems["daeda"].seconds
        figures["memory of daeda/feast_duckdb"] = systems["daeda"].peak_mib / systems["feast_duckdb"].peak_mib
    return Outcome({"spine": size.spine, "events": size.events}, systems, True, figures, notes)


def _references(bench: Bench, data: Path, scratch: Path, own: pa.Table) -> dict[str, Timed]:
    if not SHARED_PEERS.is_dir():
        bench.skip("pit.py and feast_pit.py", f"{SHARED_PEERS} is not there")
        return {}
    (scratch / "pit").symlink_to(data / "pit")
    systems: dict[str, Timed] = {}
    for system, engine in ENGINES.items():
        if bench.wants(system) and not _absent(bench, system, engine):
            answer = scratch / f"{engine}.parquet"
            once = partial(run_reference, "pit.py", [engine, str(answer)], scratch, 1)
            systems[system] = _median(bench.rounds, once)
            check_equal(own, pq.read_table(answer), system, sort=("rid",))
    for system, store in (("feast_duckdb", "duckdb"), ("feast_default", "default")):
        if bench.wants(system):
            systems |= _feast(bench, scratch, system, store, own)
    return systems


def _absent(bench: Bench, system: str, engine: str) -> bool:
    from importlib.util import find_spec

    if find_spec(engine) is None:
        bench.skip(system, f"{engine} is not installed")
        return True
    return False


def _feast(bench: Bench, scratch: Path, system: str, store: str, own: pa.Table) -> dict[str, Timed]:
    if bench.tiny:
        bench.skip(system, "its import alone takes seconds")
        return {}
    try:
        python = feast_python()
    except NoFeast as error:
        bench.skip(system, str(error))
        return {}
    answer = scratch / f"{system}.parquet"
    words = [str(python), str(SHARED_PEERS / "feast_pit.py"), store, str(answer)]

    def once() -> Timed:
        measured = run_measured(words, {"PEERS_DIR": str(scratch), "FEAST_USAGE": "False"})
        found = re.search(r"parquet2parquet=([\d.]+)", measured.output)
        if found is None:
            raise RuntimeError(f"feast_pit.py printed no seconds:\n{measured.output}")
        return Timed(float(found[1]), measured.peak_mib, 1)

    timed = _median(min(bench.rounds, _SLOW_ROUNDS), once)
    theirs = pq.read_table(answer).rename_columns({"event_timestamp": "ts"})
    if store == "duckdb":
        check_equal(own, theirs, system, sort=("rid",))
        return {system: timed}
    return {system: Timed(timed.seconds, timed.peak_mib, timed.rounds, _difference(own, theirs))}


def _difference(own: pa.Table, theirs: pa.Table) -> dict[str, int]:
    """Rows that a peer lost, and rows that it answered otherwise."""
    right = dict(zip(own["rid"].to_pylist(), own["amount"].to_pylist(), strict=True))
    given = dict(zip(theirs["rid"].to_pylist(), theirs["amount"].to_pylist(), strict=True))
    wrong = sum(1 for rid, amount in given.items() if _none_for_nan(amount) != right[rid])
    return {"rows_lost": len(right) - len(given), "rows_wrong": wrong}


def _none_for_nan(value: Any) -> Any:
    return None if value is None or value != value else value


def _median(rounds: int, once: Callable[[], Timed]) -> Timed:
    # The first process finds the files outside of the cache of the system.
    once()
    measured = [once() for _ in range(rounds)]
    seconds = statistics.median(timed.seconds for timed in measured)
    return Timed(seconds, statistics.median(timed.peak_mib for timed in measured), rounds)
