"""Labels with `immature: null`: which days lack them, by the oracle, and what those days are built by and hold."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.command import main as skeleton_main
from daeda.compiler.compile import compile_runnable, project_dag
from daeda.compiler.edited import edited_path
from daeda.compiler.immature import without_labels
from daeda.compiler.pipeline_file import pipeline_text
from daeda.dataset.fingerprint import operator_digests
from daeda.durations import Duration
from daeda.errors import ConfigurationError
from daeda.operators.dag import Dag
from daeda.operators.operator import Instant
from daeda.operators.relational import Project, ProjectColumn, Scan, ScanColumn, Sink
from daeda.operators.temporal import Label, LabelAggregate
from daeda.planning.days import Action, plan_skeleton
from daeda.planning.immature import find_immature
from daeda.planning.maturity import Maturity
from daeda.planning.sources import find_sources
from daeda.sources.files import SourceFiles
from daeda_audit.command import main as audit
from tests.budget import CASES
from tests.daeda.planning.test_maturity import project, train_command
from tests.oracle.maturity import DAY, is_mature, reach
from tests.projects import TinyProject

FIRST = dt.date(2024, 1, 1)
NUMBER = (FIRST - dt.date(1970, 1, 1)).days
DELAYS = ["0s", "1us", "1s", "90m", "12h", "1d", "36h", "2d"]
WINDOWS = ["1us", "1s", "7h", "1d", "25h", "2d", "50h"]


def dag_of(labels: tuple[Label, ...], slack: int, created: bool) -> Dag:
    fields = [("item_id", "int64"), ("at", "timestamp[us]"), ("known", "timestamp[us]")]
    columns = tuple(ScanColumn(name=name, source=name, dtype=dtype) for name, dtype in fields)
    at, known = Instant(column="at", unit="us"), Instant(column="known", unit="us") if created else None
    reaches = sorted((label.reach for label in labels), key=lambda span: span.nanoseconds or 0)
    gaps = sorted((label.gap for label in labels), key=lambda span: span.nanoseconds or 0)
    spine = Scan(name="spine", output="spine", view="e", path="e", reads="day", time=at, columns=columns[:2],
                 order_by=("at", "item_id"))  # fmt: skip
    ahead = Scan(name="ahead", output="ahead", view="sales", path="s", reads="lookahead", gap=gaps[0],
                 lookahead=reaches[-1], time=at, created=known, columns=columns, partition_slack=slack)  # fmt: skip
    made = LabelAggregate(name="label", inputs=("spine", "ahead"), output="labelled", keys=("item_id",),
                          engine="sql_arrow_udf", left_time=at, history_time=at, created=known,
                          aggregates=labels)  # fmt: skip
    shown = Project(name="shown", inputs=("labelled",), output="shown", columns=(
        ProjectColumn(name="at", dtype="timestamp[us]", source="at"),
        *(ProjectColumn(name=label.name, dtype="int64", source=label.name, default=7) for label in labels),
        ProjectColumn(name="read", dtype="bool", expression=f"coalesce({labels[0].name}, 1) > 0"),
    ))  # fmt: skip
    return Dag("s", (spine, ahead, made, shown, Sink(name="sink", inputs=("shown",), output="day", dataset="skeleton")))


def test_days_that_lack_labels_equal_the_oracle(tmp_path: Path) -> None:
    met = set()
    for seed in range(CASES):
        chance = random.Random(seed)
        created, flat, slack = chance.random() < 0.4, chance.random() < 0.4, chance.choice([0, 0, 1])
        labels = tuple(
            Label(name=f"l{number}", kind="count", gap=chance.choice(DELAYS), window=chance.choice(WINDOWS),
                  matures_after=chance.choice(DELAYS), immature=chance.choice([None, "wait"]))
            for number in range(3)
        )  # fmt: skip
        dag = dag_of(labels, 0 if flat else slack, created)
        day = FIRST + dt.timedelta(days=chance.randrange(3))
        number = (day - dt.date(1970, 1, 1)).days
        # On the border of one of the labels, or next to it.
        edge = (number + 1) * DAY + chance.choice([label.horizon.nanoseconds or 0 for label in labels])
        border = edge // 1000 + chance.choice([-1, 0, 0, 1])
        times, known = [border - chance.randrange(10**9), border], [border, None, 0]
        partitions = sorted({number, edge // DAY + chance.choice([-2, -1, 0])})
        said = chance.choice([None, None, {"sales": border * 1000}, {"": border * 1000}, {"e": 0}])
        if created:
            # At the end of all time it is never known, and says nothing less of how far the others reach.
            known = chance.choice([known, [None], [border - 1], [2**63 - 1]])
        path = tmp_path / f"{seed}.parquet"
        rows = {"at": times[: len(known)], "known": known[: len(times)]}
        pq.write_table(pa.table({name: pa.array(values, pa.timestamp("us")) for name, values in rows.items()}), path)
        days = {dt.date(1970, 1, 1) + dt.timedelta(days=one): (str(path),) for one in partitions}
        files = SourceFiles("s", {}, (str(path),)) if flat else SourceFiles("s", days, ())
        spine = SourceFiles("e", {}, ())
        reached = reach(
            (said or {}).get("sales", (said or {}).get("")), () if flat else partitions, 0 if flat else slack,
            [at * 1000 for at in rows["at"]],
            [None if at is None else at * 1000 for at in rows["known"]] if created else None,
        )  # fmt: skip
        mature = {
            label.name: is_mature(number, [reached], *((span.nanoseconds or 0) for span in (
                label.window, label.gap, label.matures_after)))
            for label in labels
        }  # fmt: skip
        listed = {"spine": spine, "ahead": files}
        maturity = Maturity(dag, listed, said or {})
        waits = {one.label for one in maturity.waiting(day)}
        lacks = {one.label for one in maturity.immature(day)}
        by_name = {label.name: label for label in labels}
        assert waits == {name for name, yes in mature.items() if not yes and by_name[name].immature}, seed
        assert lacks == {name for name, yes in mature.items() if not yes and not by_name[name].immature}, seed
        found = find_immature(dag, listed, said or {}, [day])
        assert set(found[day].labels if found else ()) == lacks, seed
        met |= {(flat, created, said is not None, len(lacks))}
        check_operators(dag, lacks, {name for name in by_name if name not in lacks})
    assert len(met) > CASES // 10


def check_operators(dag: Dag, lacks: set[str], mature: set[str]) -> None:
    """What a day without some labels is built by fits together, reads no further than the others look, and is NULL."""
    operators = [one for chosen in without_labels(dag, lacks).values() for one in chosen]
    built = Dag(dag.service, tuple(operators))
    assert built.output.names == dag.output.names
    assert [column.dtype for column in built.output.columns] == [column.dtype for column in dag.output.columns]
    labels = [label for one in operators if isinstance(one, LabelAggregate) for label in one.aggregates]
    assert {label.name for label in labels} == mature
    ahead = [one for one in operators if isinstance(one, Scan) and one.lookahead is not None]
    assert len(ahead) == bool(mature)
    for scan in ahead:
        assert scan.lookahead is not None
        assert scan.gap is not None
        assert scan.lookahead.nanoseconds == max(label.reach.nanoseconds or 0 for label in labels)
        assert scan.gap.nanoseconds == min(label.gap.nanoseconds or 0 for label in labels)
    shown = next(one for one in operators if isinstance(one, Project) and one.output == "shown")
    null = {one.name for one in shown.columns if (one.source, one.expression, one.default) == (None, None, None)}
    assert null == lacks | ({"read"} if "l0" in lacks else set())
    if not lacks:
        assert operators == list(dag.operators)


LABELS = [
    {"name": "sold", "window": "1d"},
    {"name": "sold_later", "window": "2d", "immature": None},
    {"name": "sold_much_later", "gap": "1h", "window": "3d", "immature": None},
]


def three_labels(root: Path) -> TinyProject:
    """Sales end on the fourth: the first label is mature on all days, the second on two of three, the last on none."""
    made = project(root)
    made.aggregations["label_specs"] = [{**made.aggregations["label_specs"][0], **label} for label in LABELS]
    for name, kind, more in (
        ("sold_later", "label", {"default": 5}),
        ("sold_much_later", "label", {}),
        ("either", "derived", {"expression": "coalesce(sold_later, 0) + sold"}),
        ("own", "derived", {"expression": "coalesce(sold, 0) + 1"}),
    ):
        made.service["columns"].append({"name": name, "kind": kind, "dtype": "int64", **more})
        made.runtime["output_columns"].append(name)
    made.service["columns"][-1]["nullable"] = False
    return made


def skeleton(made: TinyProject, *words: str) -> None:
    assert skeleton_main(["--runtime-config-path", str(made.runtime_path), *words]) == 0


def rows_of(made: TinyProject, day: str) -> list[dict[str, Any]]:
    path = made.root / f"output/ranking/skeleton/dt=2024-01-{day}"
    table = pq.read_table(sorted(path.glob("*.parquet")), partitioning=None)
    return table.select(["sold", "sold_later", "sold_much_later", "either", "own"]).to_pylist()


def actions(made: TinyProject) -> list[Action]:
    loaded = made.load()
    dag = compile_runnable(loaded).skeleton()
    return [plan.action for plan in plan_skeleton(loaded, dag, find_sources(loaded, dag), loaded.runtime.days, "keep")]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_a_day_is_built_without_them_and_once_more_when_they_are_mature(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = three_labels(tmp_path)
    made.runtime["compute"] = {"engine": engine}
    made.write().write_data()
    skeleton(made)
    told = capsys.readouterr().err
    assert (
        "skeleton: sold_much_later is NULL on 3 days (2024-01-01 to 2024-01-03), 2024-01-01 matures 2024-01-06 "
        "(needs sales up to dt=2024-01-05)"
    ) in told
    assert (
        "skeleton: sold_later is NULL on 1 day (2024-01-03), 2024-01-03 matures 2024-01-06 (needs sales up to "
        "dt=2024-01-05)"
    ) in told
    null = dict.fromkeys(["sold_later", "sold_much_later", "either"])
    assert all(row.items() >= null.items() and row["own"] == row["sold"] + 1 for row in rows_of(made, "03"))
    later = [(row["sold_later"], row["sold_much_later"], row["either"]) for row in rows_of(made, "01")]
    assert later == [(2, None, 3), (2, None, 3)]
    assert actions(made) == [Action.SKIP] * 3
    assert audit(["ranking", "--runtime-config-path", str(made.runtime_path), "--probe", "recompute"]) == 0
    if engine == "polars":
        return
    # One partition more: the second label of the third day matures, and the last one of the first.
    made.data["sales"] = [*made.data["sales"], (10, dt.datetime(2024, 1, 5, 12), dt.datetime(2024, 1, 6))]
    made.write_data()
    assert actions(made) == [Action.KEEP, Action.SKIP, Action.KEEP]
    # A day whose labels were not mature when it was built is no leak: it is told.
    capsys.readouterr()
    assert audit(["ranking", "--runtime-config-path", str(made.runtime_path), "--probe", "recompute"]) == 0
    assert "2024-01-03 was built before sold_later was mature, and is stale now" in capsys.readouterr().err
    second = made.root / "output/ranking/skeleton/dt=2024-01-02/part-0-0.parquet"
    stamp = second.stat().st_mtime_ns
    skeleton(made, "--on-stale", "rebuild")
    assert second.stat().st_mtime_ns == stamp
    assert actions(made) == [Action.SKIP] * 3
    assert [row["sold_later"] for row in rows_of(made, "03")] == [2, 2]
    assert [row["sold_much_later"] for row in rows_of(made, "01")] == [3, 3]
    assert audit(["ranking", "--runtime-config-path", str(made.runtime_path)]) == 0


def test_values_of_a_label_that_is_not_mature_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The product takes each label for mature: its values are of part of the window."""
    made = three_labels(tmp_path).write().write_data()
    made.views["sales"]["source"]["missing_partitions"] = "empty"
    made.write()
    monkeypatch.setattr(Maturity, "immature", lambda self, day: ())
    skeleton(made)
    capsys.readouterr()
    assert audit(["ranking", "--runtime-config-path", str(made.runtime_path), "--probe", "recompute"]) == 1
    told = capsys.readouterr().err
    blamed = {line.split()[0] for line in told.splitlines() if line and line.split()[-1:] and "sold" in line}
    assert {"sold_later", "sold_much_later"} <= blamed


def test_what_is_null_may_be_null(tmp_path: Path) -> None:
    made = three_labels(tmp_path)
    for name in ("sold_later", "either"):
        made.column(name)["nullable"] = False
    with pytest.raises(ConfigurationError) as refused:
        made.write().compile()
    assert len(str(refused.value).splitlines()) == 2
    assert "column 'either' is NULL on days on which its label is not mature (immature: null)" in str(refused.value)


def test_a_hand_edited_pipeline_has_it_too(tmp_path: Path) -> None:
    made = three_labels(tmp_path).write()
    loaded, dag = made.load(), made.compile()
    text = pipeline_text(dag.to_model())
    assert text.count("immature: null") == 2
    path = edited_path(loaded)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert project_dag(loaded) == dag
    path.write_text(text.replace("not_null: [", "not_null: [either, "), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"operator 'sink' \(sink\): column 'either' is NULL on days"):
        project_dag(loaded)


def test_a_mature_day_is_the_day_that_waits(tmp_path: Path) -> None:
    """What a label does while it is not mature decides no byte of a day on which it is."""
    made = three_labels(tmp_path)
    before = operator_digests(made.write().compile().operators)
    for label in made.aggregations["label_specs"]:
        label.pop("immature", None)
    assert operator_digests(made.write().compile().operators) == before


@pytest.mark.parametrize("lacks", list(itertools.combinations(["a", "b", "c"], 2)))
def test_names_that_are_taken_make_room(lacks: tuple[str, ...]) -> None:
    labels = tuple(Label(name=name, kind="count", window=Duration.parse("1d"), immature=None) for name in "abc")
    dag = dag_of(labels, 0, False)
    renamed = tuple(
        one.model_copy(update={"output": "labelled_mature"}) if one.name == "ahead"
        else one.model_copy(update={"inputs": ("spine", "labelled_mature")}) if one.name == "label" else one
        for one in dag.operators
    )  # fmt: skip
    operators = [one for chosen in without_labels(Dag("s", renamed), set(lacks)).values() for one in chosen]
    assert Dag("s", tuple(operators)).output.names == dag.output.names


def test_a_label_that_is_not_mature_is_not_told_to_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path, {"immature": None, "kind": "until_first"})
    made.runtime["data_until"] = "2024-01-02"
    words = ["--runtime-config-path", str(made.write().write_data().runtime_path)]

    def hints(run: Callable[[list[str]], int]) -> list[str]:
        made.write()
        capsys.readouterr()
        assert run(words) == 0
        return [line for line in capsys.readouterr().err.splitlines() if "do the keys of both sides" in line]

    assert hints(skeleton_main) == hints(train_command) == []
    # The day that is mature is judged, and its rows alone are counted.
    made.runtime["data_until"] = "2024-01-03"
    made.data["sales"] = [(77, sold, known) for _, sold, known in made.data["sales"]]
    made.write_data()
    assert (
        hints(skeleton_main)
        == hints(train_command)
        == [
            "warning: feature_services/ranking.yaml:24: column 'sold' (label) is NULL in each of 2 rows: no row of its "
            "history lies in the window after any row; do the keys of both sides hold the same ids?"
        ]
    )
