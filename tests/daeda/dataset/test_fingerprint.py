"""What makes a day stale, and what does not."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daeda.cli.main import main
from daeda.dataset.fingerprint import enriched_fingerprint, operator_digests, skeleton_fingerprint
from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import Fingerprint, Manifest, Part
from daeda.dataset.publish.publish import publish_day
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.stores import StoreIdentity
from daeda.dtypes import DType
from daeda.operators.relational import Project, ProjectColumn
from daeda.planning.days import Action, plan_skeleton
from daeda.planning.preflight import block_refused
from daeda.planning.sources import find_sources
from daeda.sources.identity import Identities
from daeda.storage.regular import file_digest
from tests.projects import TinyProject, moment, write_parquet

DAY = dt.date(2024, 1, 2)
PART = Part("part-0-0.parquet", 1, 1, "digest")
STORES = {"vectors": StoreIdentity(1, "vectors")}
Change = Callable[[TinyProject], Any]


def fingerprints(project: TinyProject) -> tuple[Fingerprint, Fingerprint]:
    """Those of the skeleton day and of the enriched day."""
    loaded, dag = project.load(), project.compile()
    skeleton = dag.skeleton()
    needed = find_sources(loaded, skeleton).needed(DAY)
    inputs = {name: [Identities().of(name, path) for path in paths] for name, paths in needed.items()}
    first = skeleton_fingerprint(operator_digests(skeleton.operators), inputs, loaded.runtime.rows_per_part)
    return first, enriched_fingerprint(dag, [PART], STORES)


def runtime(**entries: Any) -> Change:
    return lambda project: project.runtime.update(entries)


def spec(index: int, **entries: Any) -> Change:
    return lambda project: project.aggregations["aggregation_specs"][index].update(entries)


def store(**entries: Any) -> Change:
    return lambda project: project.aggregations["embedding_stores"][0].update(entries)


def move_prices(project: TinyProject) -> None:
    project.views["prices"]["source"]["path"] = "moved/prices"


def one_file_for_all(project: TinyProject) -> None:
    project.data["items"] = [(10, "toys"), (11, "books"), (12, "games")]


PLAN = """\
┏━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ day        ┃ skeleton       ┃ enriched ┃ files read ┃ why                    ┃
┡━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━┩
│ 2024-01-02 │ skip           │ build    │          6 │                        │
│ 2024-01-03 │ stale: rebuild │ build    │          6 │ input of               │
│            │                │          │            │ scan_events_by_user    │
│            │                │          │            │ changed, input of      │
│            │                │          │            │ scan_spine changed     │
│ 2024-01-04 │ build          │ build    │          5 │                        │
│ 2024-01-05 │ blocked        │ blocked  │          0 │ events has no          │
│            │                │          │            │ partition for          │
│            │                │          │            │ 2024-01-05, its        │
│            │                │          │            │ skeleton day is        │
│            │                │          │            │ blocked                │
└────────────┴────────────────┴──────────┴────────────┴────────────────────────┘
"""

UNCHANGED: dict[str, Change] = {
    "output root": runtime(output_root="elsewhere"),
    "day workers": runtime(day_workers=7),
    "threads and memory": runtime(compute={"duckdb_config": {"threads": 3, "memory_limit": "1GiB"}}),
    "where a day spills": runtime(compute={"duckdb_config": {"temp_directory": "elsewhere"}}),
    "CPUs and memory of the enrichment": runtime(
        ray={"num_cpus": 3, "memory": "9GiB", "object_store_memory": "1GiB", "reserved_cpus": 2, "actor_percent": 50}
    ),
    "preload and time of a day": runtime(ray={"preload_day_embeddings": False, "day_timeout_minutes": 7}),
    "the end of the feed": runtime(feed_end="2024-01-02"),
    "root of the data": lambda project: project.runtime.update(data_root="./data/../data"),
    "chunks": runtime(rolling_chunk_rows=10, enrich_batch_rows=10),
    "Ray": runtime(ray={"num_cpus": 2}),
    "feed range": runtime(feed_start="2024-01-01"),
    "owner": lambda project: project.service.update(owner="somebody", description="something", version=2),
    "description of a view": lambda project: project.views["prices"].update(description="what it costs"),
    "a path": move_prices,
    "path of the store": store(path="moved.lance"),
    "how the version of the store is named": store(version="live"),
    "order of feature_refs of one view": runtime(feature_refs=["prices:price", "items:category"][::-1]),
    "an unused field": lambda project: project.views["prices"]["fields"].append({"name": "z", "dtype": "int64"}),
    "an unused view": lambda project: project.views.update(
        more={**project.views["items"], "name": "more", "source": {"path": "more.parquet"}}
    ),
}
CHANGED: dict[str, tuple[Change, list[str], list[str]]] = {
    "rows_per_part": (runtime(rows_per_part=10), ["setting rows_per_part changed"], []),
    "ttl": (
        lambda project: project.views["prices"].update(ttl="12h"),
        ["operator pit_prices changed", "operator scan_prices changed"], [],
    ),
    "max_length": (spec(1, max_length=2), ["operator rolling_events_by_user changed"], []),
    "engine": (runtime(compute={"engine": "polars"}), ["operator rolling_events_by_user changed"], []),
    "condition": (
        spec(0, where="amount > 1"),
        ["operator assemble changed", "operator filter_events_by_user is new", "operator rolling_events_by_user "
                                                                               "changed",
         "operator rolling_events_by_user_2 is new", "operator scan_events_by_user is gone",
         "operator scan_events_by_user_2 is new", "operator scan_events_by_user_rows is new",
         "input of scan_events_by_user is gone", "input of scan_events_by_user_2 is new",
         "input of scan_events_by_user_rows is new"], [],
    ),
    "default": (
        lambda project: project.column("category").update(default="none"), ["operator assemble changed"], [],
    ),
    "nullable": (
        lambda project: project.column("amount").update(nullable=False),
        ["operator sink changed"], ["operator sink changed"],
    ),
    "order of the output": (
        lambda project: project.runtime["output_columns"].insert(0, project.runtime["output_columns"].pop(3)),
        ["operator assemble changed"], [],
    ),
    "normalisation": (
        lambda project: project.aggregations["enrichment_specs"][0].update(normalize="l2"), [],
        ["operator lookup_item_vector changed"],
    ),
    "content": (one_file_for_all, ["input of scan_items changed"], []),
    "a row of the day": (
        lambda project: project.data["prices"].append((11, moment("02 09:00"), 9.0)),
        ["input of scan_prices changed"], [],
    ),
}  # fmt: skip


def written(root: Path, change: Change | None = None) -> TinyProject:
    project = TinyProject(root)
    if change is not None:
        change(project)
    project.write()
    for view in project.views:
        project.data.setdefault(view, [(10, "toys")])
    fields = {view["name"]: len(view["fields"]) for view in project.views.values()}
    project.data = {name: [(*row, 0)[: fields[name]] for row in rows] for name, rows in project.data.items()}
    return project.write_data()


@pytest.mark.parametrize("case", [case for case in UNCHANGED if case != "an unused field"])
def test_what_does_not_decide_the_bytes_does_not_change_it(tmp_path: Path, case: str) -> None:
    assert fingerprints(written(tmp_path / "b", UNCHANGED[case])) == fingerprints(written(tmp_path / "a"))


def test_a_declared_field_that_nothing_reads_changes_no_operator(tmp_path: Path) -> None:
    before, _ = fingerprints(written(tmp_path / "a"))
    after, _ = fingerprints(written(tmp_path / "b", UNCHANGED["an unused field"]))
    assert after.operators == before.operators


@pytest.mark.parametrize("case", CHANGED)
def test_what_decides_the_bytes_changes_it_and_is_named(tmp_path: Path, case: str) -> None:
    change, skeleton, enriched = CHANGED[case]
    before, after = fingerprints(written(tmp_path / "a")), fingerprints(written(tmp_path / "b", change))
    assert before[0].differences(after[0]) == skeleton
    assert before[1].differences(after[1]) == enriched


def test_another_file_outside_of_the_window_changes_nothing(tmp_path: Path) -> None:
    before = fingerprints(written(tmp_path / "a"))
    later = written(tmp_path / "b", lambda project: project.data["events"].append((9, 9, moment("09 00:00"), 1.0)))
    assert fingerprints(later) == before


def test_names_and_order_of_files_do_not_matter(tmp_path: Path) -> None:
    project = written(tmp_path)
    before = fingerprints(project)
    partition = tmp_path / "data/events/dt=2024-01-02"
    (partition / "part-0.parquet").rename(partition / "renamed.parquet")
    assert fingerprints(project) == before


def test_an_operator_that_is_gone_is_named() -> None:
    before, after = Fingerprint({"a": "1", "b": "1"}, {}, {"x": "1"}), Fingerprint({"b": "2"}, {}, {"x": "1"})
    assert before.differences(after) == ["operator a is gone", "operator b changed"]
    assert before.differences(before) == []


def published(project: TinyProject, day: dt.date = DAY, software: str = "1.0") -> None:
    """A day with the right fingerprint, as a run leaves it."""
    loaded, dag = project.load(), project.compile().skeleton()
    sources = find_sources(loaded, dag)
    inputs = {name: tuple(Identities().of(name, path) for path in paths) for name, paths in sources.needed(day).items()}
    fingerprint = skeleton_fingerprint(operator_digests(dag.operators), inputs, loaded.runtime.rows_per_part)
    with open_staging(Layout(loaded.service_dir)) as staging:
        ready = staging.ready / f"dt={day}"
        ready.mkdir()
        path = ready / part_name(0)
        path.write_text("rows")
        part = Part(path.name, 1, path.stat().st_size, file_digest(path))
        every = tuple(file for name in sorted(inputs) for file in inputs[name])
        manifest = Manifest(
            "ranking", "skeleton", str(day), 1, (part,), (), fingerprint, every, software={"duckdb": software}
        )
        publish_day(staging, "skeleton", day, ready, manifest)


def planned(project: TinyProject, on_stale: str = "rebuild") -> tuple[Action, tuple[str, ...]]:
    loaded, dag = project.load(), project.compile().skeleton()
    plan = plan_skeleton(loaded, dag, find_sources(loaded, dag), [DAY], on_stale)[0]
    return plan.action, plan.reasons


def test_a_day_with_the_same_fingerprint_is_skipped(tmp_path: Path) -> None:
    project = written(tmp_path)
    assert planned(project) == (Action.BUILD, ())
    published(project)
    assert planned(project) == (Action.SKIP, ())


def test_another_mtime_alone_changes_nothing(tmp_path: Path) -> None:
    project = written(tmp_path)
    published(project)
    os.utime(tmp_path / "data/items.parquet", ns=(1, 1))
    assert planned(project) == (Action.SKIP, ())


def test_other_versions_of_the_libraries_change_nothing(tmp_path: Path) -> None:
    project = written(tmp_path)
    published(project, software="0.9")
    assert planned(project) == (Action.SKIP, ())


def test_a_renamed_file_changes_nothing(tmp_path: Path) -> None:
    project = written(tmp_path)
    published(project)
    partition = tmp_path / "data/events/dt=2024-01-02"
    (partition / "part-0.parquet").rename(partition / "renamed.parquet")
    assert planned(project) == (Action.SKIP, ())


def test_the_content_decides_where_size_and_mtime_are_as_before(tmp_path: Path) -> None:
    """Size and mtime are a short cut to the digest of a file at one path; another path has no short cut."""
    project = written(tmp_path)
    published(project)
    path = tmp_path / "data/items.parquet"
    stat = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"toys", b"tool"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert path.stat().st_size == stat.st_size
    assert planned(project) == (Action.REBUILD, ("input of scan_items changed",))


def test_another_format_version_makes_the_day_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = written(tmp_path)
    published(project)
    monkeypatch.setattr("daeda.dataset.fingerprint.format_version", lambda _: 9)
    assert planned(project) == (Action.REBUILD, ("setting format_version changed",))


@pytest.mark.parametrize(("rows_per_part", "version"), [(1, 1), (122_880, 1), (122_881, 2)])
def test_a_part_of_several_groups_of_rows_has_a_format_of_its_own(rows_per_part: int, version: int) -> None:
    """Days of smaller parts stay as they are: their bytes are the same in both."""
    assert skeleton_fingerprint({}, {}, rows_per_part).settings["format_version"] == str(version)


def test_another_skeleton_makes_the_enriched_day_stale(tmp_path: Path) -> None:
    dag = written(tmp_path).compile()
    before = enriched_fingerprint(dag, [PART], STORES)
    for changed in ([replace(PART, sha256="other")], [PART] * 2):
        assert before.differences(enriched_fingerprint(dag, changed, STORES)) == ["input of skeleton changed"]


def test_a_declared_label_makes_both_days_stale(tmp_path: Path) -> None:
    """No part of the skeleton changes by it, and both manifests have its role."""
    project = written(tmp_path)
    before = fingerprints(project)
    project.column("amount")["label"] = True
    after = fingerprints(project.write())
    assert [one.differences(two) for one, two in zip(before, after, strict=True)] == [
        ["operator scan_spine changed"],
        ["setting declared labels is new"],
    ]


def test_another_store_makes_the_enriched_day_stale(tmp_path: Path) -> None:
    """The number of a version and its content decide; a store that no operator reads does not."""
    dag = written(tmp_path).compile()
    before = enriched_fingerprint(dag, [PART], STORES)
    assert before.settings["version of store vectors"] == "1"
    for identity, reasons in (
        (StoreIdentity(2, "vectors"), ["setting version of store vectors changed"]),
        (StoreIdentity(1, "other vectors"), ["input of store vectors changed"]),
    ):
        assert before.differences(enriched_fingerprint(dag, [PART], {"vectors": identity})) == reasons
    assert enriched_fingerprint(dag, [PART], {**STORES, "more": StoreIdentity(1, "other")}) == before


def test_plan_says_of_each_day_what_it_is_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = TinyProject(tmp_path)
    project.runtime["feed_end"] = "2024-01-05"
    project.views["prices"]["source"]["missing_partitions"] = "empty"
    project.data["events"] = [(1, 10, moment(f"0{day} 12:00"), 1.0) for day in range(1, 5)]
    project.write().write_data()
    for day in (2, 3):
        published(project, dt.date(2024, 1, day))
    project.data["events"][2] = (1, 11, moment("03 12:00"), 1.0)
    project.write_data()
    assert main(["pipeline", "plan", "ranking", "--runtime-config-path", str(project.runtime_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.partition("\n")[2].startswith(PLAN), shown


def test_plan_blocks_the_days_that_train_would_refuse_with_the_same_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = TinyProject(tmp_path)
    project.runtime["feed_end"] = "2024-01-05"
    project.views["prices"]["source"]["missing_partitions"] = "empty"
    project.data["events"] = [(1, 10, moment(f"0{day} 12:00"), 1.0) for day in range(1, 6)]
    project.write().write_data()
    published(project, dt.date(2024, 1, 4))
    # The window of the third reads the second; the fourth is there, and nothing of it is read again.
    sentence = (
        f"view 'events': {tmp_path}/data/events/dt=2024-01-02/part-0.parquet has no column 'amount': did you mean "
        "'count'? Known: count, event_timestamp, item_id, user_id; correct fields or field_mapping of the view"
    )
    wrong = {"user_id": "int64", "item_id": "int64", "event_timestamp": "timestamp[us]", "count": "double"}
    write_parquet(tmp_path / "data/events/dt=2024-01-02/part-0.parquet", wrong, [(1, 10, moment("02 12:00"), 1.0)])
    words = ["ranking", "--runtime-config-path", str(project.runtime_path)]
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["pipeline", "plan", *words]) == 0
    shown = capsys.readouterr().out
    rows = {cells[0].strip(): cells for line in shown.splitlines() if len(cells := line.strip("│").split("│")) == 5}
    assert [rows[f"2024-01-0{day}"][1].strip() for day in range(2, 6)] == ["blocked", "build", "skip", "build"]
    assert rows["2024-01-02"][4].strip() == f"{sentence}, its skeleton day is blocked"
    assert main(["pipeline", "train", *words]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    project.write_data()
    assert main(["pipeline", "plan", *words]) == 0
    assert "blocked" not in capsys.readouterr().out


def test_plan_blocks_every_day_where_a_static_key_is_there_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = written(tmp_path)
    project.data["items"] = [(10, "toys"), (10, "books")]
    project.write_data()
    loaded, dag = project.load(), project.compile().skeleton()
    sources = find_sources(loaded, dag)
    plans = block_refused(loaded, dag, sources, plan_skeleton(loaded, dag, sources, loaded.runtime.days, "rebuild"))
    assert {plan.action for plan in plans} == {Action.BLOCKED}
    assert {plan.reasons for plan in plans} == {
        (
            f"view 'items': {tmp_path}/data/items.parquet has 2 rows with item_id = 10: a view without timestamps has "
            "one row per key: remove the others, or declare source.timestamp_field",
        )
    }


def test_other_content_makes_the_day_stale_and_says_why(tmp_path: Path) -> None:
    project = written(tmp_path)
    published(project)
    project.data["items"] = [(10, "toys!")]
    project.write_data()
    assert planned(project) == (Action.REBUILD, ("input of scan_items changed",))
    assert planned(project, "keep") == (Action.KEEP, ("input of scan_items changed",))


def test_a_part_that_was_touched_makes_the_day_stale(tmp_path: Path) -> None:
    project = written(tmp_path)
    published(project)
    (tmp_path / "output/ranking/skeleton/dt=2024-01-02" / part_name(0)).write_text("cut")
    assert planned(project) == (Action.REBUILD, ("part-0-0.parquet is not the file that was published",))


def test_a_missing_partition_blocks_the_day(tmp_path: Path) -> None:
    project = written(tmp_path)
    (tmp_path / "data/events/dt=2024-01-02/part-0.parquet").unlink()
    (tmp_path / "data/events/dt=2024-01-02").rmdir()
    assert planned(project) == (Action.BLOCKED, ("events has no partition for 2024-01-02",))


def test_defaults_that_json_has_no_word_for_are_told_apart(tmp_path: Path) -> None:
    numbers = [None, float("nan"), float("inf"), float("-inf"), 1.5]
    lists = [[], [1.0], *([number] for number in numbers[1:4])]

    def digest(name: str, value: Any, place: int) -> str:
        project = TinyProject(tmp_path / f"{name}{place}").without("item_vector")
        project.column(name)["default"] = value
        return operator_digests(project.write().compile().skeleton().operators)["assemble"]

    assert len({digest("price", value, place) for place, value in enumerate(numbers)}) == len(numbers)
    columns = [
        Project(
            name="p",
            inputs=("a",),
            output="b",
            columns=(ProjectColumn(name="x", dtype=DType("list<double>"), default=value),),
        )
        for value in lists
    ]
    assert len({operator_digests([column])["p"] for column in columns}) == len(lists)


def test_the_digest_of_other_defaults_is_as_it_was() -> None:
    column = ProjectColumn(name="x", dtype=DType("double"), source="y", default=1.5)
    digest = operator_digests([Project(name="p", inputs=("a",), output="b", columns=(column,))])["p"]
    described = Project(name="p", inputs=("a",), output="b", columns=(column,)).model_dump(mode="json")
    assert digest == hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
