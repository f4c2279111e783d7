"""What `python -m bench.exactness` draws beside kinds: where a window lies, when a row counts, labels, and whole days.

Each rule has a stream of random numbers of its own, so that a rule that comes later changes nothing of the others.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import duckdb

from bench.exactness_days import compared_days
from daeda.aggregates import DECAYED_KINDS, KINDS, LIST_KINDS, AggregateKind, LabelKind, check_label_kind
from daeda.durations import Duration
from daeda.operators.temporal import Aggregate, Label
from daeda.settings.availability import Available
from tests.beam_pipeline.day.one_day import Case, in_the_oracle, in_the_product
from tests.beam_pipeline.windows.numpy_engine.cases import same

# Draws the feed of a slice: rows of the spine, how many steps the history reaches back and ahead, whether it has a
# created_field (None: perhaps).
DrawFeed = Callable[[random.Random, int, int, int, bool | None], Case]
Columns = dict[AggregateKind, tuple[str, ...]]
# The oracle looks at each pair of rows of a user: many small days take less time than one, and differ more.
_ROWS_OF_CASE = 250
# Kinds that a case checks a rule with.
_KINDS_OF_CASE = 3
_WINDOWS = ("unbounded", "20s", "100s", "5m", "26h")
_GRIDS = ("1s", "20s", "90s", "5m", "1d", "3d")
_OFFSETS = ("0s", "1s", "37s", "100s", "5m")
_DELAYS = ("0s", "1s", "20s", "100s", "5m")
_AVAILABLE = (
    {"after": "0s"}, {"after": "7s"}, {"after": "100s"}, {"after": "5m"}, {"daily_at": "11:58"}, {"daily_at": "12:00"},
    {"daily_at": "12:03"},
)  # fmt: skip
_QUANTILES = ("0.01", "0.25", "0.5", "0.9", "0.999", "1")
_DAY = 86_400 * 1_000_000_000
RULES = (
    "label", "maturity", "available", "aligned", "offset", "sample", "default", "label quantile", "label sequence",
)  # fmt: skip
# Rules about labels of one kind.
_LABELS_OF_KIND: dict[str, LabelKind] = {"label quantile": "quantile", "label sequence": "sequence"}


def check_rule(
    rule: str, draw: random.Random, rows: int, feed: DrawFeed, columns: Columns, engines: Sequence[str]
) -> dict[str, dict[str, int]]:
    """By engine the values that were compared with the oracle, and how many were not the same."""
    if rule in ("sample", "default"):
        return compared_days(draw, rows, rule, engines)
    found = {engine: {"values": 0, "mismatches": 0} for engine in engines}
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; SET threads = {draw.choice([1, 2, 3])}")
        for done in range(0, rows, _ROWS_OF_CASE):
            case = _case(rule, draw, min(_ROWS_OF_CASE, rows - done), feed, columns)
            case = replace(case, chunk_rows=draw.choice([100, 1_000_000]))
            expected = in_the_oracle(case)
            for engine in engines:
                table = in_the_product(replace(case, engine=engine), Path(directory), connection)
                assert table.num_rows == len(case.left)
                for one in case.aggregates:
                    pairs = zip(table[one.name].to_pylist(), expected[one.name], strict=True)
                    found[engine]["values"] += len(case.left)
                    found[engine]["mismatches"] += sum(not same(one.kind, value, right) for value, right in pairs)
    return found


def _case(rule: str, draw: random.Random, rows: int, feed: DrawFeed, columns: Columns) -> Case:
    if rule in ("label", "maturity"):
        case = feed(draw, rows, -400, 900, rule == "maturity")
        kinds = draw.sample(label_kinds(), _KINDS_OF_CASE)
        return replace(case, aggregates=tuple(_labels(draw, kinds, columns, case.created is not None)))
    if rule in _LABELS_OF_KIND:
        case = feed(draw, rows, -400, 900, None)
        kinds = [_LABELS_OF_KIND[rule]] * _KINDS_OF_CASE
        return replace(case, aggregates=tuple(_labels(draw, kinds, columns, case.created is not None)))
    case = replace(feed(draw, rows, -900, 400, None), aggregates=tuple(_windows(draw, columns, rule)))
    if rule != "available":
        return case
    # What is told of a day at a time of the next one, is of the day before.
    for row in case.right:
        back = draw.choice([0, _DAY])
        row["then"] -= back
        if row.get("known") is not None:
            row["known"] -= back
    return replace(case, available=Available.model_validate(draw.choice(_AVAILABLE)))


def _windows(draw: random.Random, columns: Columns, rule: str) -> Iterator[Aggregate]:
    for number, kind in enumerate(draw.sample(list(KINDS), _KINDS_OF_CASE)):
        column = draw.choice(columns[kind])
        aligned = draw.choice(_GRIDS) if rule == "aligned" or draw.random() < 0.2 else None
        offset = draw.choice(_OFFSETS) if rule == "offset" or draw.random() < 0.2 else None
        read = {"columns": (column, "s"), "age": "ago"} if kind == "sequence" else {"column": column or None}
        listed = kind in LIST_KINDS
        yield Aggregate.model_validate({
            "name": f"{kind}_{number}", "kind": kind, **read, "window": draw.choice(_WINDOWS), "aligned_to": aligned,
            "offset": offset, "q": draw.choice(["0.01", "0.5", "1"]) if kind == "quantile" else None,
            "half_life": draw.choice(["7s", "60s", "1h"]) if kind in DECAYED_KINDS else None,
            "max_length": draw.randint(1, 12) if listed else None,
            "order": draw.choice(["newest_first", "oldest_first"]) if listed else "newest_first",
        })  # fmt: skip


def label_kinds() -> list[LabelKind]:
    """The kinds that the rules `label` and `maturity` draw from: `quantile` and `sequence` have rules of their own."""
    kinds: list[LabelKind] = []
    for kind in get_args(LabelKind):
        with suppress(ValueError):
            check_label_kind(kind)
            kinds.append(kind)
    return [kind for kind in kinds if kind not in _LABELS_OF_KIND.values()]


def _labels(draw: random.Random, kinds: Sequence[LabelKind], columns: Columns, late: bool) -> Iterator[Label]:
    for number, kind in enumerate(kinds):
        column = draw.choice(("", "s", "x")) if kind == "until_first" else draw.choice(columns[kind])
        listed = kind in LIST_KINDS
        read = _rows_of_sequence(draw, columns) if kind == "sequence" else {"column": column or None}
        yield Label.model_validate({
            "name": f"{kind}_{number}", "kind": kind, **read, "gap": Duration.parse_delay(draw.choice(_DELAYS)),
            "window": Duration.parse(draw.choice(_WINDOWS[1:])),
            "matures_after": Duration.parse_delay(draw.choice(_DELAYS) if late else "0s"),
            "q": draw.choice(_QUANTILES) if kind == "quantile" else None,
            "max_length": draw.randint(1, 12) if listed else None,
            "order": draw.choice(["newest_first", "oldest_first"]) if listed else "oldest_first",
        })  # fmt: skip


def _rows_of_sequence(draw: random.Random, columns: Columns) -> dict[str, Any]:
    """What a sequence holds of its rows: structs of one to three columns, or a list of one column, or of the ages."""
    names = sorted({name for several in columns.values() for name in several if name})
    if draw.random() < 0.5:
        return {"columns": tuple(draw.sample(names, draw.randint(1, 3))), "age": draw.choice([None, "ago"])}
    if draw.random() < 0.3:
        return {"columns": (), "age": "ago", "layout": "columns"}
    return {"columns": (draw.choice(names),), "layout": "columns"}
