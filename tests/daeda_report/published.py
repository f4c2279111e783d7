"""Published days of a tiny service, as many as a report needs, written without a pipeline.

made = Training(tmp_path, days=20)
made.faults["doubled"] = ...
made.publish()
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.layout import Dataset, Layout, layout_of
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.dataset.published import stamp_of
from tests.projects import TinyProject

FIRST = dt.date(2024, 1, 1)
CATEGORIES = ("toys", "books", "food", "garden")
# What changes the rows of a day, given its number.
Fault = Callable[[int, pa.Table], pa.Table]


@dataclass
class Training:
    """The project below `root`, and its days. `fault` changes rows before they are published."""

    root: Path
    days: int = 20
    rows: int = 400
    fault: Fault = lambda number, table: table
    changed: Callable[[TinyProject], None] = lambda project: None
    left_out: frozenset[int] = field(default=frozenset())

    def __post_init__(self) -> None:
        self.project = TinyProject(self.root)
        last = FIRST + dt.timedelta(days=self.days - 1)
        self.project.runtime |= {"feed_start": str(FIRST), "feed_end": str(last)}
        self.changed(self.project)

    @property
    def layout(self) -> Layout:
        return layout_of(self.project.load())

    def publish(self) -> Training:
        """Write the YAML files and all days."""
        self.project.write()
        dag = self.project.compile()
        kinds = {column.name: column.kind for column in self.project.load().service.columns}
        for number in range(self.days):
            if number in self.left_out:
                continue
            table = self.fault(number, rows_of(number, self.rows))
            skeleton = table.set_column(
                table.schema.get_field_index("item_vector"),
                "item_vector",
                pa.nulls(len(table), table.schema.field("item_vector").type),
            )
            seconds = {operator.name: 0.01 * (1 + place) for place, operator in enumerate(dag.operators)}
            self._publish("skeleton", number, skeleton, seconds, kinds)
            self._publish("enriched", number, table, {"read": 0.02, "write": 0.03}, kinds)
        return self

    def _publish(
        self, dataset: Dataset, number: int, table: pa.Table, seconds: dict[str, float], kinds: dict[str, str]
    ) -> None:
        day = FIRST + dt.timedelta(days=number)
        directory = self.layout.day_dir(dataset, day)
        assert isinstance(directory, Path)
        directory.mkdir(parents=True)
        path = directory / "part-0-0.parquet"
        pq.write_table(table, path)
        data = path.read_bytes()
        part = Part(path.name, len(table), len(data), hashlib.sha256(data).hexdigest())
        columns = tuple(
            ColumnStatistics(
                name,
                "list<halffloat>" if name == "item_vector" else str(table[name].type),
                table[name].null_count,
                placeholder=dataset == "skeleton" and name == "item_vector",
                kind=kinds[name],
            )
            for name in table.column_names
        )
        manifest = Manifest(
            "ranking", dataset, str(day), len(table), (part,), columns,
            Fingerprint({"sink": "0" * 64}, {}, {"rows_per_part": "100000"}), seconds=seconds,
            software={"daeda": "0.1.0", "duckdb": "1.5.5"}, stamps={path.name: stamp_of(path.stat())},
        )  # fmt: skip
        (directory / "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def rows_of(number: int, rows: int) -> pa.Table:
    """The rows of a day, other ones on each day and the same in each run, of one distribution."""
    draw = np.random.default_rng(number)
    start = dt.datetime.combine(FIRST + dt.timedelta(days=number), dt.time())
    count = rows + int(draw.integers(-rows // 20, rows // 20))
    times = [start + dt.timedelta(seconds=int(second)) for second in np.sort(draw.integers(0, 86_400, count))]
    price = draw.lognormal(3.0, 0.6, count)
    chosen = draw.choice(len(CATEGORIES), count, p=[0.4, 0.3, 0.2, 0.1])
    lists = [list(map(int, draw.integers(0, 50, int(draw.integers(0, 4))))) for _ in range(count)]
    vectors = draw.normal(0, 1, (count, 2)).astype(np.float16)
    return pa.table(
        {
            "user_id": pa.array(draw.integers(0, 90, count), pa.int64()),
            "item_id": pa.array(draw.integers(0, 50, count), pa.int64()),
            "event_timestamp": pa.array(times, pa.timestamp("us")),
            "amount": pa.array(draw.gamma(2.0, 30.0, count)),
            "category": pa.array([CATEGORIES[one] for one in chosen]),
            "price": pa.array(price, mask=draw.random(count) < 0.01),
            "events_1d": pa.array(draw.poisson(2.0, count), pa.int64()),
            "recent_items": pa.array(lists, pa.list_(pa.int64())),
            "item_vector": pa.array(list(vectors), pa.list_(pa.float16())),
        }
    )


def replaced(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _doubled(number: int, table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table]) if number == 13 else table


def _turned_null(number: int, table: pa.Table) -> pa.Table:
    return replaced(table, "price", pa.nulls(len(table), pa.float64())) if number >= 12 else table


def _other_unit(number: int, table: pa.Table) -> pa.Table:
    return replaced(table, "amount", pc.multiply(table["amount"], 1000.0)) if number >= 14 else table


def _lost_ids(number: int, table: pa.Table) -> pa.Table:
    """A tenth of the ids have no vector any more."""
    lost = pc.equal(pc.bit_wise_and(table["item_id"], 7), 3)
    lost = pc.or_(lost, pc.equal(table["item_id"], 10))
    return replaced(table, "item_vector", pc.if_else(lost, None, table["item_vector"])) if number >= 11 else table


def _vanished(number: int, table: pa.Table) -> pa.Table:
    other = pc.if_else(pc.equal(table["category"], "garden"), "toys", table["category"])
    return replaced(table, "category", other) if number >= 13 else table


# Each fault with what is to be told of it first: the kind, the column, and the first day by its number.
FAULTS: dict[str, tuple[Fault, str, str | None, int]] = {
    "doubled file": (_doubled, "rows", None, 13),
    "turned NULL": (_turned_null, "nulls", "price", 12),
    "other unit": (_other_unit, "unit", "amount", 14),
    "lost ids": (_lost_ids, "coverage", "item_vector", 11),
    "vanished category": (_vanished, "category", "category", 13),
}
