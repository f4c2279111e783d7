"""Point-in-time joins side by side: daeda, pandas, Polars and two stores of Feast on the cases of bench/peers/cases.py.

    python -m bench.peers.point_in_time [--no-feast] [--result FILE] [--page FILE]

Writes bench/results/peers.json and docs/peers.md. Exit code 1 where daeda differs from the definition in any case, or a
peer differs where no ties, exact hits or corrections are in play (the generated cases).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.harness import RESULTS, ROOT, Bench
from bench.machine import describe_machine
from bench.own import build
from bench.peers.cases import DAY, Case, every_case
from bench.peers.feast_environment import VERSION, NoFeast, feast_python
from bench.project import Project

PEERS = {
    "daeda": "daeda",
    "pandas": "pandas `merge_asof`",
    "polars": "Polars `join_asof`",
    "feast_duckdb": f"Feast {VERSION}, DuckDB store",
    "feast_default": f"Feast {VERSION}, default store",
}
Rows = list[tuple[int, Any]]


@dataclass(frozen=True)
class Verdict:
    """What a peer made of a case: `equal`, `differs` (and how), `unstable`, or `error`."""

    word: str
    why: str = ""

    def cell(self) -> str:
        return self.word if not self.why else f"**{self.word}**: {self.why}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.point_in_time", description=__doc__)
    parser.add_argument("--no-feast", action="store_true", help="leave Feast out, which takes a minute")
    parser.add_argument("--result", type=Path, default=RESULTS / "peers.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "peers.md")
    arguments = parser.parse_args(words)
    cases = every_case()
    with tempfile.TemporaryDirectory() as name:
        directories = write_cases(Path(name), cases)
        found = {
            "daeda": [judge(case, by_daeda, directory) for case, directory in directories],
            "pandas": [judge(case, by_pandas, directory) for case, directory in directories],
            "polars": [judge(case, by_polars, directory) for case, directory in directories],
        }
        reason = "left out by --no-feast" if arguments.no_feast else add_feast(found, directories)
    if reason:
        print(f"feast is skipped: {reason}", file=sys.stderr)
    write_result(arguments.result, cases, found, reason)
    arguments.page.write_text(page(cases, found), encoding="utf-8")
    return _complain(cases, found)


def _complain(cases: Sequence[Case], found: dict[str, list[Verdict]]) -> int:
    """Say which verdicts must not be; returns the exit code."""
    bad = [
        f"{peer}, {case.name}: {verdict.word} {verdict.why}"
        for peer, verdicts in found.items()
        for case, verdict in zip(cases, verdicts, strict=True)
        if verdict.word != "equal" and (peer == "daeda" or case.name.startswith("generated"))
    ]
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


def write_cases(root: Path, cases: Sequence[Case]) -> list[tuple[Case, Path]]:
    """A directory for each case and order of the view's rows: 00-0, 00-1, ..."""
    made = []
    for number, case in enumerate(cases):
        for shuffled in range(case.orders):
            directory = root / f"{number:02}-{shuffled}"
            directory.mkdir()
            spine, view = case.tables(shuffled)
            pq.write_table(spine, directory / "spine.parquet")
            pq.write_table(view, directory / "view.parquet")
            told = {"keys": case.keys, "key_type": case.key_type, "ttl": case.ttl, "created": case.has_created}
            (directory / "case.json").write_text(json.dumps(told))
        made.append((case, root / f"{number:02}"))
    return made


def judge(case: Case, peer: Callable[[Case, Path], Rows], directory: Path) -> Verdict:
    """Compare a peer with the definition, for each order of the view's rows."""
    answers = []
    for shuffled in range(case.orders):
        try:
            answers.append(peer(case, directory.with_name(f"{directory.name}-{shuffled}")))
        except Exception as error:  # noqa: BLE001 - what a library cannot do is what this is about
            return Verdict("error", f"{type(error).__name__}: {_first_line(error)}")
    return verdict(case, answers)


def verdict(case: Case, answers: list[Rows]) -> Verdict:
    """Of the answers to one case with its rows in several orders."""
    right = case.answer()
    wrong = [_wrong(right, dict(answer)) for answer in answers]
    lost = len(right) - len(answers[0])
    if lost:
        more = f", {len(wrong[0])} wrong" if wrong[0] else ""
        return Verdict("differs", f"{lost} of {len(right)} rows lost{more}")
    if not any(wrong):
        return Verdict("equal")
    if any(dict(answer) != dict(answers[0]) for answer in answers):
        some = f": {len(wrong[0])} of {len(right)} rows wrong in the first" if len(right) > 2 else ""
        return Verdict("unstable", f"the answer changes with the order of the file{some}")
    if len(wrong[0]) > 2:
        return Verdict("differs", f"{len(wrong[0])} of {len(right)} rows wrong")
    rid = wrong[0][0]
    return Verdict("differs", f"{_shown(dict(answers[0])[rid])} where {_shown(right[rid])} is right")


def _wrong(right: list[Any], answer: dict[int, Any]) -> list[int]:
    return [rid for rid, value in enumerate(right) if rid in answer and answer[rid] != value]


def _shown(value: Any) -> str:
    return "NULL" if value is None else str(value)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:90] if lines else ""


def by_daeda(case: Case, directory: Path) -> Rows:
    stamp = "timestamp[ns]" if case.unit == "ns" else f"timestamp[{case.unit}, UTC]"
    keys = [(key, case.key_type) for key in case.keys]
    entity = [key.removesuffix("_id") for key in case.keys]

    def of(path: str, fields: list[tuple[str, str]], **source: Any) -> dict[str, Any]:
        named = [{"name": name, "dtype": dtype} for name, dtype in fields]
        return {"entity": entity, "source": {"path": path, "timestamp_field": "ts", **source}, "fields": named}

    created = [("created", stamp)] if case.has_created else []
    view = of(
        "view.parquet", [*keys, ("ts", stamp), *created, ("value", "int64")],
        **({"created_field": "created"} if case.has_created else {}),
    )  # fmt: skip
    view |= {"allow_exact": case.allow_exact} | ({"ttl": f"{case.ttl}s"} if case.ttl else {})
    project = Project(
        views={"spine": of("spine.parquet", [*keys, ("ts", stamp), ("rid", "int64")]), "view": view},
        kept=("rid", *case.keys, "ts"),
        time="ts",
        grain=case.keys,
        looked_up={"view:value": "int64"},
    )
    runtime = project.write(directory / "project", directory, DAY, DAY)
    rows = build(Bench("peers", tiny=True), runtime, rounds=1).day(DAY)
    return list(zip(rows["rid"].to_pylist(), rows["value"].to_pylist(), strict=True))


def by_pandas(case: Case, directory: Path) -> Rows:
    """The idiom: both sides sorted by time (and created, of which the last row wins), `by` for the key."""
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]

    spine = pd.read_parquet(directory / "spine.parquet").sort_values("ts", kind="stable")
    view = pd.read_parquet(directory / "view.parquet")
    view["value"] = view["value"].astype("Int64")
    order = ["ts", "created"] if case.has_created else ["ts"]
    view = view.sort_values(order, kind="stable").drop(columns="created", errors="ignore")
    made = pd.merge_asof(
        spine, view, on="ts", by=list(case.keys), direction="backward", allow_exact_matches=case.allow_exact,
        tolerance=None if case.ttl is None else pd.Timedelta(seconds=case.ttl),
    )  # fmt: skip
    values = [None if pd.isna(value) else int(value) for value in made["value"]]
    return list(zip((int(rid) for rid in made["rid"]), values, strict=True))


def by_polars(case: Case, directory: Path) -> Rows:
    """The idiom: both sides sorted by time (and created), `by` for the key, `tolerance` for the ttl."""
    import datetime as dt

    import polars as pl

    spine = pl.read_parquet(directory / "spine.parquet").sort("ts", maintain_order=True)
    order = ["ts", "created"] if case.has_created else ["ts"]
    view = pl.read_parquet(directory / "view.parquet").sort(order, maintain_order=True)
    made = spine.join_asof(
        view.drop("created", strict=False), on="ts", by=list(case.keys), strategy="backward",
        allow_exact_matches=case.allow_exact, check_sortedness=False,
        tolerance=None if case.ttl is None else dt.timedelta(seconds=case.ttl),
    )  # fmt: skip
    return list(zip(made["rid"].to_list(), made["value"].to_list(), strict=True))


def add_feast(found: dict[str, list[Verdict]], directories: list[tuple[Case, Path]]) -> str:
    """Let both stores answer, in their own environment; returns why there is no Feast, or nothing."""
    try:
        python = feast_python()
    except NoFeast as error:
        return str(error)
    root = directories[0][1].parent
    for store in ("duckdb", "default"):
        words = [str(python), str(Path(__file__).with_name("feast_cases.py")), store, str(root)]
        subprocess.run(words, check=True, capture_output=True)

        def read(case: Case, directory: Path, store: str = store) -> Rows:
            answer = json.loads((directory / f"feast_{store}.json").read_text())
            if "error" in answer:
                raise RuntimeError(answer["error"])
            return [(rid, value) for rid, value in answer["rows"]]

        found[f"feast_{store}"] = [judge(case, read, directory) for case, directory in directories]
    return ""


def write_result(path: Path, cases: Sequence[Case], found: dict[str, list[Verdict]], reason: str) -> None:
    rows = [
        {
            "case": case.name,
            "about": case.about,
            **{peer: {"verdict": of[number].word, "why": of[number].why} for peer, of in found.items()},
        }
        for number, case in enumerate(cases)
    ]
    report = {"machine": describe_machine(), "skipped": {"feast": reason} if reason else {}, "cases": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


_HEAD = """<!-- Written by `python -m bench.peers.point_in_time`: change bench/peers/cases.py instead. -->

# Point-in-time joins side by side

The same rows, given to daeda, to pandas and Polars in the way in which one writes such a join with them (sorted by
time and created, `by` for the key, `allow_exact_matches`, `tolerance` for a ttl), and to two stores of Feast (with
`filter_by_created_timestamp` where the view has a created time). *equal* is the answer by definition, which is the one
that daeda was built for; where there are ties, for four orders of the rows in the file. The cases are of our choosing;
they, and the definition in twenty lines, are in [bench/peers/cases.py](../bench/peers/cases.py).

"""


def page(cases: Sequence[Case], found: dict[str, list[Verdict]]) -> str:
    """The table as a page of the docs."""
    lines = [f"| case | what is right | {' | '.join(PEERS[peer] for peer in found)} |"]
    lines.append("|" + "---|" * (2 + len(found)))
    for number, case in enumerate(cases):
        cells = " | ".join(verdicts[number].cell().replace("|", "\\|") for verdicts in found.values())
        lines.append(f"| {case.name} | {case.about} | {cells} |")
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
