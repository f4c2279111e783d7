"""The statistics of a day against building it: five features of 200,000 rows, two of them lists of 32.

Few columns that are built fast, with long lists in them, are the hard case: most of the time reads the lists back.
The statistics are made in a process of their own, without its start.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import replace

from bench.feed import write_feed
from bench.harness import Bench, Outcome, Timed
from bench.own import build
from bench.process_tree import run_measured
from bench.workloads.five_features import FEEDS, LAST_DAY, TINY, five_features

_SCRIPT = """
import json, sys
from pathlib import Path
from daeda.statistics.of_day import statistics_of_day
made = statistics_of_day(Path(sys.argv[1]))
Path(sys.argv[2]).write_text(json.dumps({"seconds": made.seconds, "bytes": len(made.to_json())}))
"""


def run(bench: Bench) -> Outcome:
    """Build the day, and make its statistics."""
    feed = replace(FEEDS["small"], **TINY) if bench.tiny else FEEDS["small"]
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    with bench.scratch() as scratch:
        built = build(bench, five_features().write(scratch / "project", data, LAST_DAY, LAST_DAY))
        day = built.skeleton / f"dt={LAST_DAY}"
        seconds, peaks, size = [], [], 0
        for _ in range(bench.rounds):
            measured = run_measured([sys.executable, "-c", _SCRIPT, str(day), str(scratch / "made.json")], {})
            made = json.loads((scratch / "made.json").read_text())
            seconds.append(made["seconds"])
            peaks.append(measured.peak_mib)
            size = made["bytes"]
    taken = statistics.median(seconds)
    systems = {"daeda": built.timed, "statistics": Timed(taken, statistics.median(peaks), bench.rounds)}
    figures = {"statistics/daeda": taken / built.timed.seconds, "bytes of statistics": float(size)}
    return Outcome({"spine": feed.spine_rows, "events": feed.events}, systems, True, figures)
