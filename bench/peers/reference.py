"""The reference scripts in the shared folder beside the repository, run unchanged, and their answers compared."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.harness import SHARED_PEERS, Timed
from bench.process_tree import run_measured

# Query: daeda's names to the script's.
_COLUMNS = {
    "list32": {"newest": "v"},
    "dist32": {"distinct": "v"},
    "agg": {"count_1d": "c1", "sum_1d": "s1", "count_7d": "c7", "sum_7d": "s7"},
}
_ORDER = ("event_timestamp", "user_id")


def run_rolling(data: Path, scratch: Path, query: str, way: str, rounds: int, own: pa.Table) -> Timed:
    """rolling.py over data/ev; raises Different where its answer is another than daeda's."""
    # The script writes below the directory that it reads from.
    peers_dir = scratch / "rolling"
    peers_dir.mkdir(exist_ok=True)
    link = peers_dir / "ev"
    if not link.exists():
        link.symlink_to(data / "ev")
    timed = run_reference("rolling.py", [query, way, str(rounds)], peers_dir, rounds)
    answer = pq.read_table(peers_dir / "out" / f"rolling_{query}_{way}.parquet")
    columns = {**{name: name for name in _ORDER}, **_COLUMNS[query]}
    check_equal(own, answer, f"rolling.py {query} {way}", columns, sort=_ORDER)
    return timed


def run_reference(script: str, words: list[str], peers_dir: Path, rounds: int) -> Timed:
    """A script that prints its median as `median=`, or the seconds of one run as `parquet2parquet=`."""
    measured = run_measured([sys.executable, str(SHARED_PEERS / script), *words], {"PEERS_DIR": str(peers_dir)})
    found = re.search(r"(?:median|parquet2parquet)=([\d.]+)", measured.output)
    if found is None:
        raise RuntimeError(f"{script} {' '.join(words)} printed no seconds:\n{measured.output}")
    return Timed(float(found[1]), measured.peak_mib, rounds)
