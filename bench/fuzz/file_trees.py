"""Trees of files below a view: every row that may be data is in the day, or the tree is refused.

A file is no data where its name, or that of a directory that it lies in, begins with `_` or `.`.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import strategies as st

from bench.fuzz.built import NOON, ROWS, build, scratch, table_of, tiny_project, write_items
from bench.fuzz.findings import Findings, explore, run_command

PARTITION = "dt=2024-01-02"
FOLDERS = (
    "", PARTITION, PARTITION, PARTITION, "dt=2024-01-01", f"{PARTITION}/country=NO", f"{PARTITION}/deep/er",
    "_temporary", f"{PARTITION}/_temporary/0", f"{PARTITION}/.hidden", "DT=2024-01-02", "dt=2024-1-2",
    f"country=NO/{PARTITION}", "other", "_delta_log", "metadata", ".hoodie", "dt=__HIVE_DEFAULT_PARTITION__",
    "dt=2024-01-02 ", PARTITION + "/[x]",
)  # fmt: skip
NAMES = (
    "b.parquet", "a[1].parquet", "a1.parquet", "a*.parquet", "a?.parquet", "a{1,2}.parquet", "it's.parquet",
    'a"b.parquet', "_x.parquet", ".x.parquet", "c.PARQUET", "d.parq", "e.pq", "f.parquet.gzip", "part-00000",
    "g.parquet ", "é.parquet", "x.parquet.crc", ".x.parquet.crc", "_SUCCESS", "_metadata", "00000.json",
    "v1.metadata.json", "README.md", "h.csv", "a\nb.parquet", "a\x1b[31m.parquet", "#x.parquet", "a%20b.parquet",
    "a;b.parquet", "~.parquet", "-.parquet",
)  # fmt: skip
KINDS = ("rows", "rows", "rows", "rows", "empty", "text", "fifo", "directory", "link", "broken link")
ROOTS = ("data", "data", "data", "da[t]a", "da*a", "dat?", "it's", "da{t,T}a", "data[1]", "../data[2]")


@dataclass(frozen=True)
class Placed:
    """Something that lies below the view."""

    folder: str
    name: str
    kind: str

    @property
    def hidden(self) -> bool:
        """Whether it is known to be no data."""
        return any(part.startswith(("_", ".")) for part in Path(self.folder, self.name).parts)


placed = st.builds(Placed, st.sampled_from(FOLDERS), st.sampled_from(NAMES), st.sampled_from(KINDS))
trees = st.tuples(st.lists(placed, max_size=4), st.sampled_from(ROOTS), st.booleans())


def run(examples: int, number: int, findings: Findings) -> None:
    """So many examples; raises what the first finding raises, shrunk."""
    explore(trees, examples, number, lambda tree: check(*tree, findings))


def check(things: Sequence[Placed], data: str, with_base: bool, findings: Findings) -> None:
    """Build a day over the tree; AssertionError where a row is lost, or one is read that is none."""
    with scratch() as outside:
        root = outside / "project"
        project = tiny_project(root, data)
        # What a pattern made of the root would read instead.
        for twin in {"data", "data1", re.sub(r"[\[\]*?{},]", "", data)} - {data}:
            _write(root / twin / "events" / PARTITION / "a.parquet", 99)
        write_items(root, data)
        view = root / data / "events"
        (view / PARTITION).mkdir(parents=True)
        if with_base:
            pq.write_table(table_of(ROWS), view / PARTITION / "a.parquet")
        present = {row[0] for row in ROWS} if with_base else set()
        absent = {99}
        for index, thing in enumerate(things):
            if _place(view, thing, 100 + index, outside):
                (absent if thing.hidden else present).add(100 + index)
        ended = run_command(["pipeline", "plan", "ranking", "--runtime-config-path", str(project.runtime_path)])
        outcome = "refused by plan"
        if ended.code == 0:
            rows = build(project)
            outcome = "refused by the day" if isinstance(rows, str) else "built"
            if not isinstance(rows, str):
                users = {row["user_id"] for row in rows}
                assert users == present, f"read {sorted(users)}, and the rows are {sorted(present)}"
        findings.add(outcome, [thing.kind for thing in things], ended.seconds)


def _place(view: Path, thing: Placed, user: int, outside: Path) -> bool:
    """Put the thing there; whether it holds a row of the day."""
    path = view / thing.folder / thing.name
    if os.path.lexists(path) or any(parent.exists() and not parent.is_dir() for parent in path.parents):
        return False
    # What a partition of another day holds is of that day.
    other_day = thing.folder == "dt=2024-01-01"
    time = NOON - dt.timedelta(days=other_day)
    path.parent.mkdir(parents=True, exist_ok=True)
    match thing.kind:
        case "rows":
            _write(path, user, time)
            return not other_day
        case "link":
            _write(outside / f"{user}.parquet", user, time)
            path.symlink_to(outside / f"{user}.parquet")
            return not other_day
        case "broken link":
            path.symlink_to(outside / "nothing")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "text":
            path.write_text("some,text\n1,2\n")
        case _:
            path.touch()
    return False


def _write(path: Path, user: int, time: dt.datetime = NOON) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table_of([(user, 10, time, 1.0)]), path)
