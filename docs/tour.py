"""The tour in the terminal: `python -m docs.tour` runs the commands of docs/tour.md and writes the page anew.

What is told on a terminal of 100 columns, without colours, is kept as text: it can be read on a phone and by a screen
reader, searched and compared. Paths are relative, and seconds and sizes of this machine are left out, so that the page
changes only where a command answers something else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).parent / "tour.md"
JOURNEY = ROOT / "examples" / "complete_journey"
LINES = 44
# What is clamped to the host, and how far a command is that takes longer than a moment.
_OF_THE_MACHINE = re.compile(r"^resource envelope|rows read \(\d+% of the file\)$")

_HEAD = """<!-- Written by `make tour`: change docs/tour.py instead. -->

# A tour in the terminal

On real purchases, of [The Complete Journey](../examples/complete_journey/README.md): first {rows:,} of them as a CSV
file, out of which `init` makes a project; then the project of the example, which `make demo` prepares. Each command
stands behind a `$`, and below it what it answers on a terminal; `…` stands for seconds and sizes of the machine.
"""
_PROJECT = ("config", "feature_views", "feature_services")
_TWO_DAYS = "--start 2017-01-29 --end 2017-01-30"


@dataclass(frozen=True)
class Step:
    """A command, and why one gives it. Of a long answer the first `lines` lines are shown."""

    why: str
    command: str
    lines: int = LINES
    folder: str = "journey"


STEPS = (
    Step(
        "**A project out of a file.** `init` says what it takes for events, times, keys and labels, and what it saw; "
        "it imports the rows into a partition for each day, writes YAML, and builds a day to try it.",
        "daeda init shop --from purchases.csv --yes",
        folder=".",
    ),
    Step(
        "**Is anything wrong?** `check` reads YAML and the files behind it, and builds nothing. It finds all mistakes "
        "at once.",
        "daeda check household_ranking",
    ),
    Step(
        "**What would come out?** A few rows in memory, as `train` would publish them.",
        "daeda preview household_ranking --rows 3 --columns price,purchases_28d,bought_again_28d",
    ),
    Step(
        "**Why is it this value?** For one row: which raw rows count, which nearly do, and why not. It is the audit's "
        "code that answers. The row never sees its own second, so the price of 0.94 does not count.",
        "daeda preview household_ranking --explain 1 --columns price,purchases_1d",
    ),
    Step(
        "**What would a run do?** Nothing is built yet, and the label is known for both days.",
        f"daeda plan household_ranking {_TWO_DAYS}",
    ),
    Step(
        "**Build it.** The skeleton on Beam and DuckDB, then the vectors on Ray; each day is published whole. The last "
        "line, on stdout, is the directory of the data.",
        f"daeda train household_ranking {_TWO_DAYS}",
    ),
    Step(
        "**Again.** Nothing changed, so nothing is built.",
        f"daeda train household_ranking {_TWO_DAYS}",
    ),
    Step(
        "**Look at it.** One file for the browser, without a network; [report](report.md) shows it.",
        f"daeda report household_ranking {_TWO_DAYS}",
    ),
    Step(
        "**Did anything leak?** Rows are made again by code that shares nothing with the product, and compared.",
        "daeda audit leakage household_ranking --quick --days 2017-01-29 2017-01-30",
    ),
    Step(
        "**Use it.** Any library reads the files; `daeda.dataset` reads them in order, by days, and tells what is a "
        "label.",
        "python -c \"import daeda; print(daeda.dataset('output', 'household_ranking').polars()"
        ".group_by('bought_again_28d').len().sort('len').collect())\"",
    ),
)  # fmt: skip


def main() -> int:
    """Write the page; a command that fails ends it."""
    with tempfile.TemporaryDirectory() as directory:
        PAGE.write_text(toured(Path(directory)), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


def toured(folder: Path) -> str:
    """The page, made in an empty folder. The data is that of the example: `prepare.py` has made it."""
    for name in _PROJECT:
        shutil.copytree(JOURNEY / name, folder / "journey" / name)
    (folder / "journey" / "data").symlink_to(JOURNEY / "data")
    pieces = [_HEAD.format(rows=purchases(folder / "purchases.csv"))]
    for step in STEPS:
        said = run(step.command, folder / step.folder)
        pieces.append(
            f"{textwrap.fill(step.why, 120)}\n\n```console\n$ {step.command}\n{shortened(said, step.lines)}\n```\n"
        )
    return "\n".join(pieces)


def purchases(path: Path) -> int:
    """Write eight weeks of purchases as a CSV file, as a shop would have it; returns their number."""
    table = duckdb.sql(f"""
        SELECT household_id, product_id, quantity, sales_value AS paid, transaction_timestamp AS bought_at
        FROM read_parquet('{JOURNEY}/data/transactions/*/*.parquet', hive_partitioning = false)
        WHERE transaction_timestamp < '2017-02-26' ORDER BY 5, 1, 2, 3, 4
    """)
    table.write_csv(str(path))
    return len(table)


def run(command: str, folder: Path) -> str:
    """What a command says, on both streams, as it would on a terminal of 100 columns."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        # Of two days at work either may be published first, and the page would be another one each time.
        "DAEDA_DAY_WORKERS": "1",
        "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TZ": "UTC",
    }  # fmt: skip
    merged = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(["bash", "-euc", command], cwd=folder, env=environment, text=True, check=False, **merged)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}")
    return normalised(done.stdout, folder)


def normalised(text: str, folder: Path) -> str:
    """The text without what differs from machine to machine and from run to run.

    >>> normalised("built in 3.27 s, 1.2 GiB below /tmp/x/output", Path("/tmp/x"))
    'built in … s, … GiB below output'
    >>> normalised("│ 2 days │  5.23 │", Path("/tmp/x"))
    '│ 2 days │     … │'
    """
    for path in (folder.resolve(), folder, JOURNEY):
        text = text.replace(f"{path}/", "")
    text = re.sub(r"\b\d[\d,.]*(?= ?(?:s|ms|min|[KMG]i?B)\b)", "…", text)
    text = re.sub(r"\d+\.\d\d(?= │)", lambda found: "…".rjust(len(found[0])), text)
    lines = [line.rstrip() for line in text.splitlines() if not _OF_THE_MACHINE.search(line)]
    return "\n".join(lines).strip()


def shortened(text: str, lines: int) -> str:
    """The first lines, and how many follow."""
    found = text.splitlines()
    left = len(found) - lines
    return text if left <= 1 else "\n".join([*found[:lines], f"… {left} more lines"])


if __name__ == "__main__":
    sys.exit(main())
