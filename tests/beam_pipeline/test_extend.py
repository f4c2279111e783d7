"""Extended days: the bytes of a rebuild, and what is computed for them."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from beam_pipeline.day import extend
from daeda.errors import DayError
from daeda.planning.days import Action
from tests.beam_pipeline.extending import build, manifest, published
from tests.budget import by_run
from tests.daeda.compiler.test_identity import add, add_window, rename, rename_rolling, reorder, spec
from tests.projects import TinyProject, moment

DAY = dt.date(2024, 1, 2)
Change = Callable[[TinyProject], Any]


def many_rows(project: TinyProject, seed: int = 3) -> TinyProject:
    """Rows with ties, NULLs and several parts a day."""
    rng = random.Random(seed)
    project.runtime |= {"rows_per_part": 17, "feed_end": "2024-01-02"}
    hours = [f"{rng.randrange(1, 4):02} {rng.randrange(24):02}:{rng.choice(['00', '30'])}" for _ in range(160)]
    project.data["events"] = [
        (rng.choice([1, 2, 3, None]), rng.choice([10, 11, 99]), moment(hour), rng.choice([None, -0.0, 1.5, 2.25, 7]))
        for hour in hours
    ]
    project.data["prices"] = [
        (rng.choice([10, 11]), moment(f"{rng.randrange(1, 4):02} {rng.randrange(24):02}:00"), rng.random())
        for _ in range(30)
    ]
    return project


def without_vectors(root: Path) -> TinyProject:
    project = TinyProject(root).without("item_vector")
    project.column("user_id")["nullable"] = True
    project.column("item_id")["nullable"] = True
    project.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    add(project, {"name": "share", "kind": "derived", "dtype": "double", "expression": "amount / events_1d"})
    spent = {"name": "spent", "entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "sum"}
    project.aggregations["aggregation_specs"].append({**spent, "window": "1d", "where": "amount > 0"})
    add(project, {"name": "spent", "kind": "rolling", "dtype": "double"})
    return many_rows(project).write_data()


def compared(project: TinyProject, action: Action = Action.EXTEND) -> list[str]:
    """Build in place and elsewhere; the operators that ran in place."""
    ran: list[str] = []
    plans = build(project, "output", operators=ran)
    assert {plan.action for plan in plans} == {action}
    again = f"again-{len(list(project.root.glob('again-*')))}"
    build(project, again, extend=False)
    assert published(project, "output") == published(project, again)
    return ran


EDITS: dict[str, tuple[Change, list[str]]] = {
    "a neighbour with another reach and order of ties": (
        add_window, ["scan_spine", "scan_events_by_user", "rolling_events_by_user", "assemble", "extend", "sink"],
    ),
    "names": (rename_rolling, ["extend", "sink"]),
    "places": (reorder, ["extend", "sink"]),
    "an outcome is marked": (lambda project: project.column("amount").update(label=True), ["extend", "sink"]),
    "an expression is marked": (lambda project: project.column("share").update(label=True), ["extend", "sink"]),
    "a column less": (lambda project: project.without("recent_items", "share"), ["extend", "sink"]),
    "nullability": (lambda project: project.column("events_1d").update(nullable=True), ["extend", "sink"]),
    "default": (
        lambda project: project.column("category").update(default="none"),
        ["scan_spine", "scan_items", "join_items", "assemble", "extend", "sink"],
    ),
    "where": (
        spec(2, where="amount > 2"),
        ["scan_spine", "scan_events_by_user_2_rows", "filter_events_by_user_2", "rolling_events_by_user_2", "assemble",
         "extend", "sink"],
    ),
}  # fmt: skip


def test_an_extended_day_is_that_of_a_rebuild(tmp_path: Path) -> None:
    first = without_vectors(tmp_path / "first")
    build(first, "output")
    for number, (name, (edit, expected)) in enumerate(EDITS.items()):
        project = without_vectors(tmp_path / str(number))
        shutil.copytree(first.root / "output", project.root / "output")
        edit(project)
        assert compared(project) == expected, name


def _damage(project: TinyProject) -> None:
    path = manifest(project, "output", DAY).with_name("part-1-0.parquet")
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))


def _remove(project: TinyProject) -> None:
    shutil.rmtree(manifest(project, "output", DAY).parent)


def _other_rows(project: TinyProject) -> None:
    project.data["events"] = [row for row in project.data["events"] if row[0] != 3]
    project.write_data()


def _other_column(project: TinyProject) -> None:
    path = manifest(project, "output", DAY)
    written = json.loads(path.read_text())
    written["identities"]["columns"]["spent"] = "0" * 64
    path.write_text(json.dumps(written))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_damage, "part-1-0.parquet is not the file that was published"),
        (_remove, "it is not there any more"),
        (_other_rows, "it has other rows"),
        (_other_column, "its column 'spent' is not what 'spent' is to be"),
    ],
)
def test_a_day_that_is_not_as_planned_is_built_anew(
    tmp_path: Path, change: Change, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons: list[str] = []
    given_up = extend.give_up
    monkeypatch.setattr(extend, "give_up", lambda *said: (reasons.append(said[2]), given_up(*said)))
    project = without_vectors(tmp_path)
    build(project, "output")
    project.column("category")["default"] = "none"
    plans = build(project, "output", meanwhile=lambda: change(project))
    assert {plan.action for plan in plans} == {Action.EXTEND}
    assert set(reasons) == {reason}
    build(project, "again", extend=False)
    assert published(project, "output") == published(project, "again")


@pytest.mark.parametrize("same", [True, False], ids=["copied", "written anew"])
def test_a_kept_column_is_checked_for_null(tmp_path: Path, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extend, "_of_this_software", lambda manifest: same)
    project = without_vectors(tmp_path)
    build(project, "output")
    rename(project, "price", "cost")
    project.column("cost").update({"from": "prices:price", "nullable": False})
    table = pq.ParquetDataset(manifest(project, "output", DAY).with_name("part-0-0.parquet")).read()
    row = table.column("price").to_pylist().index(None)
    first = f"row {row} (user_id {table.column('user_id')[row]}, item_id {table.column('item_id')[row]})"
    with pytest.raises(DayError, match="column 'cost' must not be NULL") as raised:
        build(project, "output")
    assert f"the first of them {first}" in str(raised.value)


def test_what_plan_says_of_an_extension(tmp_path: Path) -> None:
    project = without_vectors(tmp_path)
    project.data["events"] = project.data["events"][:20]
    build(project.write_data(), "output")
    assert {plan.action for plan in build(project, "output")} == {Action.SKIP}
    add_window(project)
    rename(project, "spent", "paid")
    spec(2, name="paid")(project)
    project.without("category").column("price")["default"] = 0.0
    first, *_ = build(project, "output")
    assert first.reasons[0] == (
        "extend: +events_2d, +amounts, -category; computed anew: price; renamed: spent to paid; 8 of 11 columns kept"
    )
    assert first.files == 5


def test_a_day_without_identities_is_fresh_and_is_built_anew_once(tmp_path: Path) -> None:
    project = without_vectors(tmp_path)
    build(project, "output")
    path = manifest(project, "output", DAY)
    written = json.loads(path.read_text())
    del written["identities"]
    path.write_text(json.dumps(written))
    assert {plan.action for plan in build(project, "output")} == {Action.SKIP}
    project.column("category")["default"] = "none"
    assert {plan.action for plan in build(project, "output")} == {Action.REBUILD}
    project.column("category")["default"] = "something"
    assert {plan.action for plan in build(project, "output")} == {Action.EXTEND}


class Editor:
    """Edits a tiny project at random, so that it still compiles."""

    def __init__(self, project: TinyProject, rng: random.Random, module: str) -> None:
        self.project = project
        self.module = module
        self.rng = rng
        self._number = 0

    def edit(self) -> str:
        """Make one edit; returns which."""
        names = ("window", "window", "look_up", "expression", "function", "drop", "rename", "where", "default",
                 "shuffle", "nullability", "partition", "static")  # fmt: skip
        name = self.rng.choice(names)
        getattr(self, f"_{name}")()
        return name

    def _fresh(self, stem: str) -> str:
        self._number += 1
        return f"{stem}_{self._number}"

    def _rolling(self) -> list[dict[str, Any]]:
        made = {column["name"] for column in self.project.service["columns"] if column["kind"] == "rolling"}
        return [one for one in self.project.aggregations["aggregation_specs"] if one["name"] in made]

    def _window(self) -> None:
        rng, name = self.rng, self._fresh("rolled")
        kind, column, dtype, more = rng.choice([
            ("count", None, "int64", {}), ("sum", "amount", "double", {}), ("mean", "amount", "double", {}),
            ("max", "amount", "double", {}), ("last", "item_id", "int64", {}), ("last", "amount", "double", {}),
            ("list", "amount", "list<double>", {"max_length": rng.randrange(1, 4)}),
            ("last_distinct", "item_id", "list<int64>", {"max_length": rng.randrange(1, 4)}),
            ("std", "amount", "double", {}), ("count_distinct", "item_id", "int64", {}),
        ])  # fmt: skip
        entry = {"name": name, "entity": rng.choice(["user", "item"]), "history": {"view": "events"}, "kind": kind,
                 "window": rng.choice(["1h", "6h", "1d", "2d"]), **more}  # fmt: skip
        entry |= {"column": column} if column else {}
        entry |= {"where": rng.choice(["amount > 1", "amount IS NOT NULL"])} if rng.random() < 0.3 else {}
        if kind == "last" and entry["entity"] == "item" and column == "item_id":
            entry["entity"] = "user"
        if kind in ("count_distinct", "last_distinct"):
            entry["entity"] = "user"
        self.project.aggregations["aggregation_specs"].insert(0, entry)
        add(self.project, {"name": name, "kind": "rolling", "dtype": dtype})

    def _look_up(self) -> None:
        name = self._fresh("price")
        more = self.rng.choice([{}, {"ttl": "12h"}, {"ttl": "36h"}, {"allow_exact": True}])
        add(self.project, {"name": name, "kind": "point_in_time", "dtype": "double", "from": "prices:price", **more})

    def _readable(self) -> list[str]:
        kinds = ("spine", "rolling", "point_in_time")
        columns = self.project.service["columns"]
        return [one["name"] for one in columns if one["kind"] in kinds and one["dtype"] in ("double", "int64")]

    def _expression(self) -> None:
        readable = self._readable()
        first, second = self.rng.choice(readable), self.rng.choice(readable)
        text = self.rng.choice([f"{first} + {second}", f"coalesce({first}, 0) * 2.0", f"{first} / {second}"])
        column = {"name": self._fresh("derived"), "kind": "derived", "dtype": "double"}
        add(self.project, {**column, "expression": f"CAST({text} AS DOUBLE)"})

    def _function(self) -> None:
        name = self._fresh("made")
        read = self.rng.choice([one for one in self._readable() if self.project.column(one)["dtype"] == "double"])
        self.project.aggregations.setdefault("udf_specs", []).append(
            {"name": name, "function": f"{self.module}:{self.rng.choice(['halved', 'negative'])}", "columns": [read],
             "dtype": "double"}
        )  # fmt: skip
        add(self.project, {"name": name, "kind": "udf", "dtype": "double"})

    def _read(self) -> set[str]:
        """Names that expressions and functions read."""
        texts = [column.get("expression", "") for column in self.project.service["columns"]]
        texts += [" ".join(one["columns"]) for one in self.project.aggregations.get("udf_specs", [])]
        return set(re.findall(r"\w+", " ".join(texts)))

    def _drop(self) -> None:
        kinds = ("rolling", "point_in_time", "derived", "udf", "static")
        columns = [one for one in self.project.service["columns"] if one["kind"] in kinds]
        free = [one["name"] for one in columns if one["name"] not in self._read()]
        if len(free) > 3:
            self.project.without(self.rng.choice(free))

    def _rename(self) -> None:
        columns = [one for one in self.project.service["columns"] if one["kind"] in ("derived", "rolling", "udf")]
        before = self.rng.choice(columns)["name"]
        if before == "events_1d":
            return
        after = self._fresh("named")
        rename(self.project, before, after)
        for section in ("aggregation_specs", "udf_specs"):
            for one in self.project.aggregations.get(section, []):
                one["name"] = after if one["name"] == before else one["name"]
                if section == "udf_specs":
                    one["columns"] = [after if name == before else name for name in one["columns"]]
        for column in self.project.service["columns"]:
            if "expression" in column:
                column["expression"] = re.sub(rf"\b{before}\b", after, column["expression"])

    def _where(self) -> None:
        self.rng.choice(self._rolling())["where"] = f"amount > {self.rng.randrange(4)}"

    def _default(self) -> None:
        kinds = ("rolling", "point_in_time", "derived", "spine")
        columns = [one for one in self.project.service["columns"] if one["kind"] in kinds and one["dtype"] == "double"]
        self.rng.choice(columns)["default"] = self.rng.choice([None, 0.5, 7.0])

    def _shuffle(self) -> None:
        self.rng.shuffle(self.project.service["columns"])
        self.rng.shuffle(self.project.runtime["output_columns"])

    def _nullability(self) -> None:
        self.project.column("amount")["description"] = self._fresh("text")
        columns = [one for one in self.project.service["columns"] if one["kind"] == "rolling"]
        chosen = [one for one in columns if one["dtype"] == "int64" and one["name"].startswith("events_1d")]
        for one in chosen:
            one["nullable"] = not one["nullable"]

    def _partition(self) -> None:
        """Another row before the first day: windows change, and the spine does not."""
        row = (self.rng.choice([1, 2]), 10, moment(f"01 {self.rng.randrange(24):02}:15"), self.rng.random())
        self.project.data["events"] = [*self.project.data["events"], row]
        self.project.write_data()

    def _static(self) -> None:
        self.project.data["items"] = [(10, self._fresh("toys")), (11, "books")]
        self.project.write_data()


FUNCTIONS = """
import pyarrow as pa
import pyarrow.compute as pc

def halved(values: pa.Array) -> pa.Array:
    return pc.divide(values, 2.0)

def negative(values: pa.Array) -> pa.Array:
    return pc.negate(values)
"""


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_random_edits_one_after_another(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is edited, in whatever order: an extended day has the bytes of a rebuild, copied or written anew."""
    monkeypatch.setattr(extend, "_of_this_software", lambda manifest: rng.random() < 0.7)
    rng = random.Random(f"{engine} edits")
    extended = 0
    for sequence in range(by_run(1, 4, 20)):
        project = without_vectors(tmp_path / str(sequence))
        module = f"extended_{engine}_{sequence}"
        (project.root / f"{module}.py").write_text(FUNCTIONS)
        project.runtime |= {"compute": {"engine": engine}, "rows_per_part": rng.choice([5, 17, 1000])}
        build(project, "output")
        editor = Editor(project, rng, module)
        for number in range(by_run(3, 4, 6)):
            edits = [editor.edit() for _ in range(rng.choice([1, 1, 2]))]
            plans = build(project, "output")
            extended += sum(plan.action is Action.EXTEND for plan in plans)
            build(project, f"again-{number}", extend=False)
            assert published(project, "output") == published(project, f"again-{number}"), (sequence, number, edits)
    assert extended > sequence * 3
