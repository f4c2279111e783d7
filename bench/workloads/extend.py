"""Adding one column to a service of 40: extended days against its own service, a rebuild, a rename; the enrichment.

Seconds are those of the days' operators, as their manifests have them: digests of inputs and of published parts and the
copies of chunks among them, start-up not. An extended day is compared byte for byte with a rebuilt one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import shutil
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from bench.harness import Bench, Outcome, Timed
from bench.own import seconds_by_operator
from bench.process_tree import run_measured
from bench.project import SERVICE, Project
from bench.vectors_project import Size, runtime, write_project

DAYS = 30
_FIRST = dt.date(2024, 3, 1)
_BACK = 14
_WINDOWS = ("1d", "3d", "7d", "14d")
_ADDED = {"name": "purchases_14d", "entity": "user", "history": {"view": "events"}, "kind": "count", "window": "14d",
          "where": "kind = 3"}  # fmt: skip
_VECTORS = Size(200_000, 16, 100_000, 50_000, 1152, 100_000)


def run(bench: Bench) -> Outcome:
    """Measure days that are extended, and hold their bytes against those of a rebuild."""
    days, spine, history = (1, 300, 500) if bench.tiny else (bench.days or DAYS, 200_000, 1_000_000)
    seconds: dict[str, float] = {}
    with bench.scratch() as root:
        if bench.wants("skeleton"):
            needed = (days + _BACK) * (history + spine) * 30
            data = bench.data({"days": days, "spine": spine, "history": history}, needed,
                              lambda directory: _write_data(directory, days, spine, history))  # fmt: skip
            seconds |= _skeletons(bench, root, data, days)
        if bench.wants("enrichment"):
            seconds |= _enrichments(bench, root / "vectors")
    ratios = (
        ("add one column", "its own service"), ("add one column", "rebuild"), ("rename one column", "rebuild"),
        ("enrichment after an added column", "enrichment"),
    )  # fmt: skip
    figures = {f"{one}/{other}": seconds[one] / seconds[other] for one, other in ratios if one in seconds}
    systems = {name: Timed(value, 0.0, 1) for name, value in seconds.items()}
    return Outcome({"days": days, "spine rows a day": spine, "history rows a day": history}, systems, figures=figures)


def _write_data(directory: Path, days: int, spine: int, history: int) -> None:
    generator = np.random.default_rng(15)
    for number in range(-_BACK, days):
        day = _FIRST + dt.timedelta(days=number)
        _write_day(directory / "events" / f"dt={day}", day, history, generator)
        if number >= 0:
            _write_day(directory / "impressions" / f"dt={day}", day, spine, generator)


def _write_day(partition: Path, day: dt.date, rows: int, generator: np.random.Generator) -> None:
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1_000_000
    times = np.sort(generator.integers(0, 86_400_000_000, rows)) + start
    partition.mkdir(parents=True)
    table = pa.table({
        "user_id": generator.integers(0, 50_000, rows), "item_id": generator.integers(0, 20_000, rows),
        "kind": generator.integers(0, 5, rows).astype(np.int32), "amount": generator.integers(0, 10_000, rows) / 100,
        "event_timestamp": pa.array(times, pa.timestamp("us")),
    })  # fmt: skip
    pq.write_table(table, partition / "part-0.parquet")


def _service() -> Project:
    """Three columns of the spine and 37 windows."""
    fields = {"user_id": "int64", "item_id": "int64", "kind": "int32", "amount": "double",
              "event_timestamp": "timestamp[us]"}  # fmt: skip
    listed = [{"name": name, "dtype": dtype} for name, dtype in fields.items()]
    view = {"entity": ["user", "item"], "fields": listed}
    views = {name: {**view, "source": {"path": name, "timestamp_field": "event_timestamp"}}
             for name in ("impressions", "events")}  # fmt: skip
    rolling: list[dict[str, Any]] = []
    types: dict[str, str] = {}
    for entity in ("user", "item"):
        for kind, column, dtype in (
            ("count", None, "int64"), ("sum", "amount", "double"), ("mean", "amount", "double"),
            ("count_distinct", "item_id" if entity == "user" else "user_id", "int64"),
        ):  # fmt: skip
            name = f"{entity}_{kind}"
            spec = {"name": name, "entity": entity, "history": {"view": "events"}, "kind": kind}
            rolling.append({**spec, "windows": list(_WINDOWS), **({"column": column} if column else {})})
            types |= {f"{name}_{window}": dtype for window in _WINDOWS}
    listed_items = {"name": "user_items", "entity": "user", "history": {"view": "events"}, "kind": "last_distinct"}
    rolling.append({**listed_items, "column": "item_id", "windows": list(_WINDOWS), "max_length": 20})
    types |= {f"user_items_{window}": "list<int64>" for window in _WINDOWS}
    rolling.append({**listed_items, "name": "last_amount", "kind": "last", "column": "amount", "window": "14d"})
    types["last_amount"] = "double"
    kept = ("user_id", "item_id", "event_timestamp")
    return Project(views, kept, "event_timestamp", ("user_id", "item_id"), rolling=rolling, types=types)


def _skeletons(bench: Bench, root: Path, data: Path, days: int) -> dict[str, float]:
    last = _FIRST + dt.timedelta(days=days - 1)
    first = _service()
    added = replace(first, rolling=[*first.rolling, _ADDED], types={**first.types, "purchases_14d": "int64"})
    alone = replace(first, rolling=[_ADDED], types={"purchases_14d": "int64"})
    again = {("paid_14d" if name == "purchases_14d" else name): dtype for name, dtype in added.types.items()}
    renamed = replace(first, rolling=[*first.rolling, {**_ADDED, "name": "paid_14d"}], types=again)
    seconds: dict[str, float] = {}

    def built(name: str, project: Project, *flags: str) -> dict[str, str]:
        config = project.write(root / "skeletons", data, _FIRST, last)
        words = ["--runtime-config-path", str(config), *flags]
        before = {path: path.read_text() for path in (root / "skeletons").glob("output*/**/_manifest.json")}
        _run(bench, "beam_pipeline", words)
        skeleton = root / "skeletons" / (flags[1] if "--output-root" in flags else "output") / SERVICE / "skeleton"
        assert all(before.get(path) != path.read_text() for path in skeleton.glob("*/_manifest.json"))
        seconds[name] = sum(seconds_by_operator(skeleton).values())
        bench.say(f"{name}: {seconds[name]:.2f} s")
        return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
                for path in skeleton.glob("*/part-*")}  # fmt: skip

    built("its own service", alone)
    shutil.rmtree(root / "skeletons" / "output")
    built("40 columns", first)
    extended = built("add one column", added)
    moved = built("rename one column", renamed)
    shutil.rmtree(root / "skeletons" / "output")
    rebuilt = built("rebuild", added, "--no-extend")
    if rebuilt != extended:
        raise AssertionError("the bytes of the extended days are not those of the rebuilt ones")
    shutil.rmtree(root / "skeletons" / "output")
    if bench.tiny and built("rebuild renamed", renamed) != moved:
        raise AssertionError("the bytes of the renamed days are not those of the rebuilt ones")
    return {name: value for name, value in seconds.items() if name != "rebuild renamed"}


def _enrichments(bench: Bench, directory: Path) -> dict[str, float]:
    if bench.tiny:
        bench.skip("enrichment", "it starts Ray, which takes longer than all the rest")
        return {}
    write_project(directory, _VECTORS)
    config = runtime(directory)
    words = ["--runtime-config-path", str(config)]
    output = directory / "output" / "pooled"
    service = directory / "feature_services" / "pooled.yaml"
    texts = {path: path.read_text() for path in (config, service)}
    taken: dict[str, list[float]] = {"enrichment": [], "enrichment after an added column": []}

    def enrich(name: str) -> None:
        _run(bench, "enrich", words)
        taken[name].append(sum(seconds_by_operator(output / "enriched").values()))
        bench.say(f"{name}: {taken[name][-1]:.2f} s")

    for _ in range(bench.rounds):
        for path, text in texts.items():
            path.write_text(text)
        shutil.rmtree(output)
        _run(bench, "beam_pipeline", words)
        enrich("enrichment")
        _edit(service, lambda text: text["columns"].append(
            {"name": "user_and_one", "kind": "derived", "dtype": "int64", "expression": "user_id + 1"}))  # fmt: skip
        _edit(config, lambda text: text["output_columns"].append("user_and_one"))
        _run(bench, "beam_pipeline", words)
        enrich("enrichment after an added column")
    return {name: statistics.median(values) for name, values in taken.items()}


def _edit(path: Path, change: Any) -> None:
    document: Mapping[str, Any] = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False))


def _run(bench: Bench, half: str, words: list[str]) -> None:
    if not bench.tiny:
        run_measured([sys.executable, "-m", half, *words], {"DAEDA_DAY_WORKERS": "1"})
        return
    from beam_pipeline.command import main

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(words)
    if code:
        raise RuntimeError(said.getvalue())
