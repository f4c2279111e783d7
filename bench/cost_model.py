"""What a service takes at a size that nobody has measured: a model of three measured figures, and its tables.

    python -m bench.cost_model                      write the tables of docs/scaling.md
    python -m bench.cost_model --events 2e8 --rows 5e7 --window-days 30 --days 365 --ids 42.5e6

A day of the skeleton takes `per_day + history * per_event + rows * per_row` seconds on one worker of the measured
machine: `history` are the events of the window and of the day, `rows` those of the spine. The figures come from
bench/results (*month*, *large*, *days*, *vectors*, *catalogue*, *scaling*) and hold for the five features of *small*.
`check` says how far the model is from what was measured where it was not fitted; beyond 10 million events a day all of
it is extrapolation.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bench.goals import Results
from bench.harness import RESULTS, ROOT
from bench.report import load

PAGE = ROOT / "docs" / "scaling.md"
_ENGINES = ("<!-- engines: `python -m bench.cost_model` -->\n", "<!-- end of the engines -->")
_MODEL = ("<!-- cost model: `python -m bench.cost_model` -->\n", "<!-- end of the cost model -->")
_WORKERS = (1, 10, 100)
_MILLION = 1e6
_MIB, _GIB, _TIB = 2**20, 2**30, 2**40
_FLOAT16 = 2


@dataclass(frozen=True)
class Rates:
    """Seconds of a worker with the cores of the measured machine, and bytes.

    `per_event` and `per_row` are for a million; `per_id` for a million ids pooled; `per_mapped` for a million ids in
    the map of a store, which the driver of the enrichment makes once.
    """

    cores: int
    per_day: float
    per_event: float
    per_row: float
    per_id: float
    per_mapped: float
    mapped_bytes: float
    event_bytes: float
    row_bytes: float
    arrow_bytes: float


@dataclass(frozen=True)
class Scale:
    """What is asked for: events and spine rows of a day, the window, the days, and the vectors."""

    events: float = 1e9
    rows: float = 2e8
    window_days: int = 90
    days: int = 30
    ids: float = 42.5e6
    ids_per_row: int = 32
    dimension: int = 1152

    @property
    def vector_bytes(self) -> int:
        """Of a vector of float16."""
        return self.dimension * _FLOAT16

    @property
    def history(self) -> float:
        """Events that a day reads: those of the window, and its own."""
        return self.events * (self.window_days + 1)


def rates(results: Results) -> Rates:
    """The figures of the model; raises KeyError where a workload has not been measured."""
    month, large = results["month"], results["large"]
    figures, sizes = month["figures"], results["scaling"]["figures"]
    added = month["rows"]["per day"] * (90 - 7) / _MILLION
    per_event = (figures["daeda_90d seconds per day"] - figures["daeda_7d seconds per day"]) / added
    day = large["systems"]["daeda"]["seconds"]
    rows, events = large["rows"]["spine"] / _MILLION, large["rows"]["events"] / _MILLION
    per_row = (day - per_event * events) / rows
    small_day = results["days"]["figures"]["seconds per day in a run of 365"]
    small_rows = results["days"]["rows"]["per day"] / _MILLION
    vectors, catalogue = results["vectors"], results["catalogue"]
    return Rates(
        cores=int(large["machine"]["cores"]),
        per_day=max(0.0, small_day - small_rows * (per_row + 8 * per_event)),
        per_event=per_event,
        per_row=per_row,
        per_id=vectors["systems"]["daeda"]["seconds"] / (vectors["rows"]["ids"] / _MILLION),
        per_mapped=catalogue["figures"]["seconds of the map, of them"]
        / (catalogue["rows"]["ids in the store"] / _MILLION),
        mapped_bytes=catalogue["figures"]["MiB of the map"] * _MIB / catalogue["rows"]["ids in the store"],
        event_bytes=sizes["bytes of an event in Parquet"],
        row_bytes=sizes["bytes of a row of the skeleton"],
        arrow_bytes=sizes["bytes of an event in Arrow"],
    )


def skeleton_seconds(rate: Rates, scale: Scale) -> float:
    """Seconds of a day on one worker."""
    return rate.per_day + rate.per_event * scale.history / _MILLION + rate.per_row * scale.rows / _MILLION


def enrichment_seconds(rate: Rates, scale: Scale) -> float:
    """Seconds of a day on one worker, without the map of the store."""
    return rate.per_id * scale.rows * scale.ids_per_row / _MILLION


def check(rate: Rates, results: Results) -> list[tuple[str, float, float]]:
    """Days that were measured and not fitted: their name, the model's seconds, and the measured ones."""
    checks = []
    for name, events, rows, measured in (
        ("*small*", results["small"]["rows"]["events"], results["small"]["rows"]["spine"],
         results["small"]["systems"]["daeda"]["seconds"]),
        ("*month*, 7 days", results["month"]["rows"]["per day"] * 8, results["month"]["rows"]["per day"],
         results["month"]["figures"]["daeda_7d seconds per day"]),
    ):  # fmt: skip
        modelled = rate.per_day + (rate.per_event * events + rate.per_row * rows) / _MILLION
        checks.append((name, modelled, measured))
    return checks


def tables(rate: Rates, results: Results, scales: Sequence[Scale]) -> str:
    """The section of docs/scaling.md."""
    machine = results["large"]["machine"]
    lines = [
        f"A worker is the measured machine: {machine['cores']} cores, {machine['memory_gib']} GiB.",
        "",
        "| figure | measured | by |",
        "|---|---|---|",
        f"| a million events in the windows of a day | {rate.per_event:.3f} s | *month*, 90 days against 7 |",
        f"| a million rows of the spine, with five features, published | {rate.per_row:.2f} s | *large* |",
        f"| a day, whatever is in it | {rate.per_day:.3f} s | *days* |",
        f"| a million ids pooled, 1,152 float16 each, published | {rate.per_id:.2f} s | *vectors* |",
        f"| a million ids in the map of a store | {rate.per_mapped:.3f} s, "
        f"{rate.mapped_bytes * _MILLION / _MIB:.1f} MiB | *catalogue* |",
        f"| an event: in Parquet, and in Arrow with all its columns | {rate.event_bytes:.1f} and {rate.arrow_bytes:.0f}"
        " bytes | *scaling* |",
        f"| a row of the skeleton in Parquet | {rate.row_bytes:.0f} bytes | *scaling* |",
        "",
        "How far the model is from days that it was not fitted to:",
        "",
        "| day | model | measured | model / measured |",
        "|---|---|---|---|",
    ]
    for name, modelled, measured in check(rate, results):
        lines.append(f"| {name} | {modelled:.3f} s | {measured:.3f} s | {modelled / measured:.2f} |")
    for scale in scales:
        lines += ["", *_scale_lines(rate, scale)]
    return "\n".join(lines) + "\n"


def _scale_lines(rate: Rates, scale: Scale) -> list[str]:
    day, enriched = skeleton_seconds(rate, scale), enrichment_seconds(rate, scale)
    kept = scale.events * (scale.window_days + scale.days) * rate.event_bytes
    mapped = scale.ids * rate.mapped_bytes
    pooled = scale.rows * scale.ids_per_row
    table: list[tuple[str, str, str]] = [
        ("skeleton, worker-hours", *_hours(day, scale.days)),
        ("enrichment of one column, worker-hours", *_hours(enriched, scale.days)),
        ("events read from storage", *_each_day(scale.history * rate.event_bytes, scale.days)),
        ("history in memory, or spilled to `temp_directory`", _bytes(scale.history * rate.arrow_bytes), ""),
        ("the view, kept for the windows", "", _bytes(kept)),
        ("skeleton written", *_each_day(scale.rows * rate.row_bytes, scale.days)),
        ("one pooled column written", *_each_day(scale.rows * scale.vector_bytes, scale.days)),
        ("the store of vectors", "", _bytes(scale.ids * scale.vector_bytes)),
        ("vectors read, once a day where they fit in memory", *_each_day(_once(scale), scale.days)),
        ("vectors read batch by batch, at most", *_each_day(pooled * scale.vector_bytes, scale.days)),
        (
            "map of its ids, in the driver's memory",
            "",
            f"{_bytes(mapped)}, {scale.ids / _MILLION * rate.per_mapped:,.0f} s",
        ),
    ]
    lines = [
        f"### {_count(scale.events)} events a day, {_count(scale.rows)} rows, windows of {scale.window_days} days, "
        f"{_count(scale.ids)} vectors",
        "",
        f"| what | a day | {scale.days} days |",
        "|---|---|---|",
        *(f"| {what} | {daily} | {together} |" for what, daily, together in table),
        "",
        f"| workers | cores | skeleton of {scale.days} days, hours | enrichment, hours |",
        "|---|---|---|---|",
    ]
    for workers in _WORKERS:
        rounds = math.ceil(scale.days / workers)
        spread = enriched * scale.days / workers / 3600
        lines.append(f"| {workers} | {workers * rate.cores} | {day * rounds / 3600:,.1f} | {spread:,.1f} |")
    return lines


def _once(scale: Scale) -> float:
    """Bytes of all vectors that a day of enough rows needs, each once."""
    return min(scale.ids, scale.rows * scale.ids_per_row) * scale.vector_bytes


def _hours(seconds: float, days: int) -> tuple[str, str]:
    return f"{seconds / 3600:,.1f}", f"{seconds * days / 3600:,.0f}"


def _each_day(number: float, days: int) -> tuple[str, str]:
    return _bytes(number), _bytes(number * days)


def _count(number: float) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:g} {name}"
    return f"{number:,.0f}"


def _bytes(number: float) -> str:
    return f"{number / _TIB:,.1f} TiB" if number >= _TIB else f"{number / _GIB:,.1f} GiB"


SCALES = (Scale(), Scale(ids=1e9))


def engines(result: Mapping[str, Any]) -> str:
    """What each engine took in *scaling*, and the seconds over those of DirectRunner with as many days at work."""
    rows, machine = result["rows"], result["machine"]
    lines = [
        f"{rows['days']} days of {rows['per day']:,} rows with the five features of *small*, on one machine of "
        f"{machine['cores']} cores and {machine['memory_gib']} GiB; engines and pools are up before, the command "
        "is a fresh process. *To start* is what the first run takes besides its days, an engine's first classes "
        "included.",
        "",
        "| engine | days at once | seconds | over DirectRunner | a day | to start | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, system in result["systems"].items():
        label = name.removeprefix("daeda_")
        engine, _, slots = ("direct", "", "1") if name == "daeda" else label.rpartition("_")
        ratio = result["figures"].get(f"{label}/direct")
        over = "" if ratio is None else f"{ratio:.2f} x"
        lines.append(
            f"| {engine.replace('_', ', ')} | {slots} | {system['seconds']:.1f} | {over}"
            f" | {system['seconds_per_day']:.2f} | {system['seconds_to_start']:.1f} | {system['peak_mib']:,.0f} |"
        )
    lines += [f"- {name} was skipped: {reason}." for name, reason in result.get("skipped", {}).items()]
    return "\n".join(lines) + "\n"


def with_tables(text: str, results: Results) -> str:
    """The page with its two sections written anew."""
    text = _with_section(text, _ENGINES, engines(results["scaling"]))
    return _with_section(text, _MODEL, tables(rates(results), results, SCALES))


def _with_section(text: str, marks: tuple[str, str], section: str) -> str:
    before, _, rest = text.partition(marks[0])
    _, _, after = rest.partition(marks[1])
    return f"{before}{marks[0]}{section}{marks[1]}{after}"


def main(words: Sequence[str] | None = None) -> int:
    """Write the page, or print the tables of a size that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost_model", description=__doc__, allow_abbrev=False)
    for field in fields(Scale):
        flag, default = f"--{field.name.replace('_', '-')}", field.default
        parser.add_argument(flag, type=type(default), metavar="N", help=f"instead of {default:g}")
    asked = {name: value for name, value in vars(parser.parse_args(words)).items() if value is not None}
    results = load(RESULTS)
    if asked:
        print(tables(rates(results), results, [Scale(**asked)]), end="")
    else:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
