"""Show one row of the training set that `make demo` has built, and what to try next."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).parent
DAYS = HERE / "output" / "household_ranking" / "enriched"
RUNTIME = "examples/complete_journey/config/training/runtime.yaml"
NEXT = (
    ("what each column is made of", f"daeda pipeline explain household_ranking --runtime-config-path {RUNTIME}"),
    ("what a run would do, and why", f"daeda pipeline plan household_ranking --runtime-config-path {RUNTIME}"),
    (
        "two more weeks",
        f"DAEDA_FEED_END=2017-02-25 .venv/bin/daeda pipeline train household_ranking --runtime-config-path {RUNTIME}",
    ),
)


def main() -> None:
    """Print a row of the newest day, column by column."""
    day = max(DAYS.glob("dt=*"))
    manifest = json.loads((day / "_manifest.json").read_text(encoding="utf-8"))
    table = read(day, manifest["parts"][0]["name"])
    position = most_telling_row(table.column("recent_products_7d").to_pylist())
    row = table.slice(position, 1).to_pylist()[0]
    print(f"\nRow {position} of {manifest['rows']:,} rows of {day.name}: one product that a household bought,")
    print("with what was known just before it, and what came after: bought_again_28d is a label, true for")
    again = sum(pc.sum(read(day, part["name"])["bought_again_28d"]).as_py() or 0 for part in manifest["parts"])
    print(f"{again:,} rows of this day. Nothing but a derived column can read a label.\n")
    width = max(len(name) for name in row)
    for field in table.schema:
        print(f"  {field.name:<{width}}  {readable(row[field.name])}")
    print("\nNext:")
    for what, command in NEXT:
        print(f"  {what}:\n    {command if command.startswith('DAEDA_') else '.venv/bin/' + command}")


def read(day: Path, part: str) -> pa.Table:
    """The rows of one part of a day."""
    return pq.read_table(day / part, partitioning=None)


def most_telling_row(histories: list[list[int]]) -> int:
    """The first row whose history is of middling length: long enough to see, short enough to read."""
    return min(range(len(histories)), key=lambda index: abs(len(histories[index]) - 6))


def readable(value: object) -> str:
    """A value on one line."""
    if isinstance(value, list) and value and isinstance(value[0], float):
        return f"[{', '.join(f'{item:.3f}' for item in value[:4])}, ...] ({len(value)} numbers)"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        first = ", ".join(f"{name}: {item}" for name, item in value[0].items())
        return f"[{{{first}}}{', ...' if len(value) > 1 else ''}] ({len(value)} structs)"
    if isinstance(value, list) and len(value) > 8:
        return f"[{', '.join(str(item) for item in value[:8])}, ...] ({len(value)} items)"
    return str(value)


if __name__ == "__main__":
    main()
