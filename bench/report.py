"""docs/performance.md and docs/performance.svg, made from bench/results and nothing else.

python -m bench.report
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.catalogue import WORKLOADS
from bench.goals import GOALS, Goal, Results
from bench.harness import RESULTS, ROOT
from bench.picture import draw

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
_PICTURED = (
    "Bars of seconds, a panel for each workload: daeda above, its peers below, the quickest of them darker. The tables "
    "have the same numbers."
)
README = ROOT / "README.md"
_BEGIN, _END = "<!-- figures: `python -m bench.report` -->", "<!-- end of figures -->"

_HEAD = """<!-- Written by `python -m bench.report` from bench/results: run the benches, not an editor. -->

# Performance

{machine}. Both sides have {threads} threads. Each system is a process of its own on the same files; before its time
counts, its answer is compared with daeda's. Medians; peak memory is the proportional set size of the whole process
tree, sampled 20 times a second.

- **daeda**: the seconds of the day's operators, from its manifest, of a fresh process each time. Starting Python,
  importing Beam and reading the configuration are apart (`start_up_seconds` in the results); *days* counts everything.
- **hand-written**: imports apart, and after one round to warm up. `*_io_handwritten` are scripts of this repository
  ([bench/peers](../bench/peers)) that do everything from one read of the input and write daeda's order of rows;
  `best_handwritten` is the quickest of what is hand-written. The others are the reference scripts that the project was
  given, run unchanged: they write the order of their spine.

`make bench WORKLOAD=small` runs one, `make bench` lists them, `python -m bench.report` writes this page. What the peers
answer where semantics differ: [point-in-time joins side by side](peers.md).

## Goals

"""


def main() -> int:
    """Write the page and the picture."""
    results = load(RESULTS)
    draw(results, PICTURE)
    PAGE.write_text(page(results), encoding="utf-8")
    README.write_text(with_figures(README.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


def with_figures(readme: str, results: Results) -> str:
    """The README with the figures between its two marks written anew."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_summary(results)}{_END}{after}"


def _summary(results: Results) -> str:
    """The goals that have been measured, without their commands."""
    lines = ["| work | goal | measured |", "|---|---|---|"]
    for goal in GOALS:
        value = measured(goal, results)
        if value is not None:
            figure = f"{value:.2f} {goal.unit}" if goal.met(value) else f"**{value:.2f} {goal.unit}**"
            lines.append(f"| {goal.work} | {goal.bound} {goal.limit:g} {goal.unit} | {figure} |")
    return "\n".join(lines) + "\n"


def load(directory: Path) -> Results:
    """The results by workload, in the order of the catalogue."""
    found = {}
    for name in WORKLOADS:
        path = directory / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def page(results: Results) -> str:
    """The whole page as Markdown."""
    if not results:
        return "# Performance\n\nNothing has been measured: `make bench` lists what can be.\n"
    first = next(iter(results.values()))
    machine = first["machine"]
    versions = {key: value for key, value in machine.items() if key not in ("cores", "memory_gib", "system")}
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    named = f"{machine['system']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {shown}"
    parts = [_HEAD.format(machine=named, threads=first.get("threads", 2)), _goals(results), _misses(results)]
    parts.append(f"## Workloads\n\n![{_PICTURED}](performance.svg)\n\n")
    parts += [_workload(name, result) for name, result in results.items()]
    return "".join(parts).rstrip() + "\n"


def measured(goal: Goal, results: Results) -> float | None:
    """The figure of a goal; None where it has not been measured."""
    try:
        return goal.read(results)
    except KeyError:
        return None


def _goals(results: Results) -> str:
    lines = ["| work | goal | measured | | command |", "|---|---|---|---|---|"]
    for goal in GOALS:
        value = measured(goal, results)
        figure = "not measured" if value is None else f"{value:.2f} {goal.unit}"
        verdict = "" if value is None else "met" if goal.met(value) else "**missed**"
        command = f"`make bench WORKLOAD={goal.command}`"
        lines.append(f"| {goal.work} | {goal.bound} {goal.limit:g} {goal.unit} | {figure} | {verdict} | {command} |")
    return "\n".join(lines) + "\n\n"


def _misses(results: Results) -> str:
    lines = []
    for goal in GOALS:
        value = measured(goal, results)
        if value is not None and not goal.met(value):
            why = f"{goal.why} {_profile(goal, results)}".strip() or "not looked into yet."
            lines.append(f"- {goal.work} ({value:.2f} {goal.unit}): {why}")
    return "### What holds the missed ones back\n\n" + "\n".join(lines) + "\n\n" if lines else ""


def _profile(goal: Goal, results: Results) -> str:
    """The note of the workload that has the seconds by operator of the engine that the goal is about."""
    system = "daeda_polars" if "engine polars" in goal.work else "daeda"
    notes = results[goal.command].get("notes", ())
    return " ".join(f"{note}." for note in notes if note.startswith(f"{system}, seconds"))


def _workload(name: str, result: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{count:,} {what}" for what, count in result["rows"].items())
    about = f"{WORKLOADS[name].about[0].upper()}{WORKLOADS[name].about[1:]}"
    load = f" The machine had a load of {result['load']:g} at the end." if "load" in result else ""
    lines = [f"### {name}", "", f"{about} ({rows}).{load}", ""]
    own = result["systems"].get("daeda")
    lines += ["| system | seconds | peak MiB | median of | daeda's time over its |", "|---|---|---|---|---|"]
    for system, measured in result["systems"].items():
        ratio = (
            f"{own['seconds'] / measured['seconds']:.2f}" if own and measured["seconds"] and system != "daeda" else ""
        )
        rounds = measured.get("rounds", "")
        lines.append(f"| {system} | {measured['seconds']:.3f} | {measured['peak_mib']:,.0f} | {rounds} | {ratio} |")
    lines.append("")
    lines += [f"- {name}: {value:,.2f}." for name, value in result.get("figures", {}).items()]
    lines += [f"- {note}." for note in result.get("notes", ())]
    lines += [f"- {system} was skipped: {reason}." for system, reason in result.get("skipped", {}).items()]
    return "\n".join(lines).rstrip() + "\n\n"


if __name__ == "__main__":
    raise SystemExit(main())
