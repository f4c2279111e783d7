"""`python -m tests.determinism.build ROOT ENGINE`: build a project in ROOT, and print the digests of all its parts.

The days of the skeleton come from this process, as from a worker; their enrichment from a plain loop over the parts.
What could depend on the host is in it: instants of a zone, casts of text to them, cases of letters, sums, text order.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import sys
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from daeda.dataset.layout import Layout
from enrich.part.part import enrich_part
from enrich.part.skeleton import needed_ids
from enrich.part.task import PartTask
from enrich.preload import vector_columns
from enrich.store.store import open_store
from enrich.store.vectors import DayVectors
from tests.daeda.functions.project import FunctionProject
from tests.projects import fields

SOURCE = """
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

def length(words, amounts):
    return pc.add(pc.cast(pc.utf8_length(pc.utf8_upper(words)), pa.float64()), pc.fill_null(amounts, 0.25))
"""
WORDS = ["istanbul", "ISTANBUL", "İstanbul", "ılık", "I", "i", "straße", "STRASSE", "Ångström", "zebra", "Zebra", "é"]
DIMENSION = 24
NOON = "CAST('2024-01-02 12:00:00' AS TIMESTAMPTZ)"


def make(root: Path, engine: str) -> FunctionProject:
    """The project with its data: 900 rows of three days, many of them around midnight in some zone."""
    made = FunctionProject(root)
    made.calls(SOURCE, "length", ["word", "amount"], "double")
    made.runtime |= {"compute": {"engine": engine}, "rows_per_part": 100, "rolling_chunk_rows": 64}
    view = made.views["events"]
    view["fields"] += fields(word="string", seen="timestamp[us, UTC]")
    rng = random.Random(11)
    start = dt.datetime(2024, 1, 1)
    rows = []
    for number in range(900):
        time = start + dt.timedelta(seconds=rng.randrange(3 * 86_400), microseconds=rng.randrange(10**6))
        amount = rng.choice([None, 0.1, -0.0, 1e16, -1e16, 1e-9, float("nan") if number % 97 == 0 else rng.random()])
        seen = (time - dt.timedelta(hours=rng.randrange(30))).replace(tzinfo=dt.UTC)
        rows.append((rng.randrange(4), rng.randrange(10, 14), time, amount, rng.choice(WORDS), seen))
    made.data["events"] = rows
    made.base["vector_dim"] = DIMENSION
    made.aggregations["enrichment_specs"].append(
        {"name": "taste", "kind": "avg_pool", "column": "recent_items", "store": "vectors", "normalize": "l2"}
    )
    for kind in ("sum", "mean", "std", "min", "max", "first"):
        made.aggregations["aggregation_specs"].append(_spec(f"amount_{kind}", kind, "amount"))
    made.aggregations["aggregation_specs"] += [
        _spec("early", "count", None, where=f"CAST(event_timestamp AS TIMESTAMPTZ) < {NOON}"),
        _spec("mornings", "count", None, where="extract(hour FROM seen) < 12 AND CAST(seen AS DATE) <> '2024-01-02'"),
        _spec("indigo", "count", None, where="upper(word) = 'ISTANBUL' OR word ILIKE 'İ%' OR word < 'Z'"),
        _spec("words", "top_k", "word", max_length=3),
    ]
    made.service["columns"] += [
        *({"name": f"amount_{kind}", "kind": "rolling", "dtype": "double"} for kind in
          ("sum", "mean", "std", "min", "max", "first")),
        *({"name": name, "kind": "rolling", "dtype": "int64"} for name in ("early", "mornings", "indigo")),
        {"name": "words", "kind": "rolling", "dtype": "list<string>"},
        {"name": "shown", "kind": "derived", "dtype": "string",
         "expression": "CAST(CAST(event_timestamp AS TIMESTAMPTZ) AS VARCHAR)"},
        {"name": "day_seen", "kind": "derived", "dtype": "date", "expression": "CAST(seen AS DATE)"},
        {"name": "logarithm", "kind": "derived", "dtype": "double", "expression": "ln(abs(amount) + 2) * sqrt(3)"},
        {"name": "word", "kind": "spine", "dtype": "string"},
        {"name": "seen", "kind": "spine", "dtype": "timestamp[us, UTC]"},
        *({"name": name, "kind": "embedding", "dtype": "list<halffloat>"} for name in ("item_vector", "taste")),
    ]  # fmt: skip
    listed = made.runtime["output_columns"]
    listed += [column["name"] for column in made.service["columns"] if column["name"] not in listed]
    for name in ("item_vector", "taste"):
        listed[listed.index(name)] = {"name": name, "default": None}
    return made


def write_store(path: Path) -> None:
    """Vectors of three of the four items."""
    vectors = np.random.default_rng(5).standard_normal(3 * DIMENSION).astype(np.float32)
    table = pa.table({"item_id": [10, 11, 13], "vector": pa.FixedSizeListArray.from_arrays(vectors, DIMENSION)})
    lance.write_dataset(table, str(path))


def _spec(name: str, kind: str, column: str | None, **more: object) -> dict[str, object]:
    spec = {"name": name, "entity": "user", "history": {"view": "events"}, "kind": kind, "window": "1d", **more}
    return spec | ({"column": column} if column else {})


def enrich(made: FunctionProject) -> None:
    """Print the digests of the enriched parts."""
    project, dag = made.load(), made.compile()
    store = open_store("vectors", str(made.root / "data/vectors.lance"), "item_id", "vector", DIMENSION, 1)
    columns = vector_columns(dag)
    layout = Layout(project.service_dir)
    for day in project.runtime.days:
        parts = sorted(layout.day_dir("skeleton", day).glob("part-*.parquet"))
        vectors = {"vectors": DayVectors.load(store, store.row_map(), needed_ids(parts, columns))}
        for number, part in enumerate(parts):
            task = PartTask(str(part), str(made.root / "enriched.parquet"), number, 16, columns)
            print(f"enriched {day} {part.name} {enrich_part(task, vectors).sha256}")


def main(root: Path, engine: str) -> None:
    """Build, and print a line for each part."""
    made = make(root, engine)
    write_store(root / "data/vectors.lance")
    made.build()
    for part in sorted(root.glob("output/ranking/skeleton/dt=*/part-*.parquet")):
        print("skeleton", part.parent.name, part.name, hashlib.sha256(part.read_bytes()).hexdigest())
    enrich(made)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
