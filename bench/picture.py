"""The picture of docs/performance.md: a panel for each workload that has peers, daeda's bars in their own colour."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.goals import Results

_OWN, _PEER, _BEST = "#1f6f8b", "#b9c2c9", "#7d8b95"
# A bar longer than this many times daeda's is cut, and says so by an arrow: the others would be too short to compare.
_CUT = 4.0
# As wide as a column of a phone shows without making its texts small; one panel stands below the other.
_INCHES = 4.6


def draw(results: Results, path: Path) -> None:
    """Write the picture as SVG: the same bytes for the same results."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "daeda", "font.size": 9, "svg.fonttype": "path"})
    import matplotlib.pyplot as plt

    shown = {name: run for name, run in results.items() if "daeda" in run["systems"] and _has_peers(run)}
    heights = [
        0.75 + 0.15 * len(_title(name, run).splitlines()) + 0.27 * len(run["systems"]) for name, run in shown.items()
    ] or [1.0]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(_INCHES, sum(heights)), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axis, (name, result) in zip(axes.flat, shown.items(), strict=False):
        _panel(axis, name, result)
    figure.tight_layout(h_pad=2.0)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def _title(name: str, result: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{count:,} {what}" for what, count in result["rows"].items())
    return f"{name}\n{textwrap.fill(rows, 32)}"


def _has_peers(result: Mapping[str, Any]) -> bool:
    return any(not system.startswith("daeda") for system in result["systems"])


def _panel(axis: Any, name: str, result: Mapping[str, Any]) -> None:
    systems = {
        system: one for system, one in sorted(result["systems"].items(), key=_order) if system != "best_handwritten"
    }
    own = result["systems"]["daeda"]["seconds"]
    peers = [measured["seconds"] for system, measured in systems.items() if not system.startswith("daeda")]
    cut = max(_CUT * own, 1.5 * min(peers, default=0.0))
    for place, (system, measured) in enumerate(systems.items()):
        seconds = measured["seconds"]
        colour = _OWN if system.startswith("daeda") else _BEST if seconds == min(peers) else _PEER
        axis.barh(place, min(seconds, cut), color=colour, height=0.72)
        arrow = "  →" if seconds > cut else ""
        label = f"{seconds:.2f} s, {measured['peak_mib']:,.0f} MiB{arrow}"
        axis.text(min(seconds, cut) + cut * 0.015, place, label, va="center", fontsize=8)
    axis.set_yticks(range(len(systems)), list(systems))
    axis.invert_yaxis()
    axis.set_xlim(0, cut * 1.7)
    axis.set_ylim(max(len(systems), 1) - 0.4, -0.6)
    axis.set_title(_title(name, result), loc="left", fontsize=9, fontweight="bold")
    # No tick behind the longest bar: a cut one would seem to end there.
    axis.set_xticks([tick for tick in axis.get_xticks() if 0 <= tick <= cut])
    axis.set_xlabel("seconds (→ cut)" if max(system["seconds"] for system in systems.values()) > cut else "seconds")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _order(item: tuple[str, Mapping[str, Any]]) -> tuple[bool, float]:
    """daeda first, then the quickest."""
    return (not item[0].startswith("daeda"), item[1]["seconds"])
