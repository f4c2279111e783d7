"""How long a Ray of the run's own takes until the first actor asks for a part, beside one with all that Ray starts.

Rounds of both alternate. What it was when Ray and Ray Data started what they start by themselves is `with_all`.
"""

from __future__ import annotations

import json
import statistics
import sys

from bench.harness import ROOT, Bench, Outcome, Timed
from bench.process_tree import run_measured

SYSTEMS = ("as_is", "with_all")


def run(bench: Bench) -> Outcome:
    """Both, one after the other, round by round."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SYSTEMS}
    peaks: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for _ in range(1 if bench.tiny else bench.rounds):
        for name in SYSTEMS:
            measured = run_measured([sys.executable, "-m", "bench.ray_start", name], directory=ROOT)
            found[name].append(json.loads(measured.output))
            peaks[name].append(measured.peak_mib)
    middle = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in found.items()
    }
    systems = {
        name: Timed(
            middle[name]["seconds"],
            statistics.median(peaks[name]),
            len(found[name]),
            {"cpu_seconds": round(middle[name]["cpu_seconds"], 3), "processes": int(middle[name]["processes"])},
        )
        for name in SYSTEMS
    }
    figures = {
        "seconds shorter": middle["with_all"]["seconds"] - middle["as_is"]["seconds"],
        "seconds of CPU less": middle["with_all"]["cpu_seconds"] - middle["as_is"]["cpu_seconds"],
    }
    return Outcome({"actors": 2}, systems, True, figures)
