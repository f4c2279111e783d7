"""Names that an engine gives a meaning to are names like any other: in every role, with either engine, for the audit.

Every name has values of its own, so that one column that is taken for another one shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from daeda_audit.command import main as audit
from tests.daeda_audit.feed import build, words
from tests.hostile.test_values import DAY, rows_of, with_rolling
from tests.projects import TinyProject, fields, moment

# Pseudo columns of DuckDB, Lance, Arrow and Polars, keywords, functions, types, and aliases inside of statements.
NAMES = (
    "rowid", "filename", "file_row_number", "_rowid", "index", "literal", "element", "select", "end", "l", "r", "s",
    "h", "f0", "x0", "v", "rows_of_day", "current_date", "user", "epoch_us", "all", "known",
)  # fmt: skip
PLAIN = "plain"


def _numbered(names: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate((PLAIN, *names)))


def _column(made: TinyProject, name: str, kind: str, dtype: str, **more: Any) -> None:
    made.service["columns"].append({"name": name, "kind": kind, "dtype": dtype, **more})
    made.runtime["output_columns"].append(name)


def _of_the_spine(root: Path, names: Sequence[str]) -> TinyProject:
    """Columns of the spine and of the history: written, filtered, ordered, aggregated, derived from."""
    made = TinyProject(root).without("item_vector", "recent_items")
    made.views["events"]["fields"] = fields(
        user_id="int64", item_id="int64", event_timestamp="timestamp[us]", amount="double",
        **{name: "int64" for _, name in _numbered(names)},
    )  # fmt: skip
    filters: list[dict[str, Any]] = []
    for number, name in _numbered(names):
        base = 100 * number
        _column(made, name, "spine", "int64")
        _column(made, f"made_{number}", "derived", "int64", expression=f'"{name}" * 2 + coalesce("{name}", 0)')
        filters.append({"where": f'"{name}" < {base + 9}'})
        with_rolling(made, f"newest_{number}", "list<int64>", kind="list", column=name, max_length=5,
                     where=f'"{name}" >= {base} AND user_id = 1')  # fmt: skip
        with_rolling(made, f"total_{number}", "int64", kind="sum", column=name)
    session = {"key": [PLAIN, *names], "having": " AND ".join(f'max("{name}") < 8000' for name in (PLAIN, *names))}
    made.service["spine"]["filters"] = [*filters, {"session": session}]
    rows = [
        (1, 10, moment("01 12:00"), 1.0, 3), (1, 10, moment("01 12:00"), 1.0, 2), (2, 10, moment("01 13:00"), 2.0, -1),
        (1, 11, moment("02 09:00"), 3.0, 1), (2, 10, moment("02 09:00"), 4.0, 0), (2, 10, moment("02 10:00"), 4.0, 9),
    ]  # fmt: skip
    made.data["events"] = [(*row[:4], *(row[4] + 100 * number for number, _ in _numbered(names))) for row in rows]
    return made


def _looked_up(root: Path, names: Sequence[str]) -> TinyProject:
    """Features, attributes of a history, and what expressions and functions read: lists, whose items can be NULL."""
    made = TinyProject(root).without("item_vector", "recent_items", "price")
    made.views["prices"]["fields"] = fields(
        item_id="int64", event_timestamp="timestamp[us]", **{name: "list<double>" for _, name in _numbered(names)}
    )
    made.views["prices"]["ttl"] = "7d"
    for number, name in _numbered(names):
        made.runtime["feature_refs"].append(f"prices:{name}")
        _column(made, name, "point_in_time", "list<double>")
        _column(made, f"made_{number}", "derived", "double", expression=f'list_sum("{name}")')
        with_rolling(
            made, f"newest_{number}", "list<double>", kind="flatten_distinct", column=name, max_length=5,
            history={"view": "events", "attributes": [f"prices:{name}"]},
        )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (10, moment("01 00:00"), [1.5, -0.0]), (10, moment("01 00:00"), [1.5, None]), (11, moment("02 08:00"), [2.5]),
        (10, moment("02 01:00"), None),
    ]  # fmt: skip
    made.data["prices"] = [
        (*row[:2], *(row[2] and [item and item + 100 * number for item in row[2]] for number, _ in _numbered(names)))
        for row in rows
    ]
    return made


def _parts(rows: Sequence[dict[str, Any]], number: int, name: str) -> list[Any]:
    """What a name has in each row, less what makes it differ from the others."""

    def less(value: Any, times: int = 1) -> Any:
        if isinstance(value, list):
            return [None if item is None else item - 100 * number if item >= 50 else item for item in value]
        return value if value is None else value - times * 100 * number

    return [(less(row[name]), row[f"made_{number}"], less(row[f"newest_{number}"])) for row in rows]


@pytest.mark.some(1, cases=4)
@pytest.mark.parametrize(("engine", "searched"), [("duckdb", False), ("polars", True)])
@pytest.mark.parametrize("role", [_of_the_spine, _looked_up])
def test_a_name_means_nothing(
    role: Any, engine: str, searched: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def built(names: Sequence[str]) -> Sequence[dict[str, Any]]:
        made: TinyProject = role(tmp_path / str(len(names)), names)
        made.runtime["compute"] = {"engine": engine}
        made.write().write_data()
        build(made, days=[DAY], searched=searched)
        assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()
        return rows_of(made)

    plain, named = built([]), built(NAMES)
    assert len(plain) == 2
    assert all(value is not None for value in plain[0].values()), plain
    wanted = _parts(plain, 0, PLAIN)
    for number, name in _numbered(NAMES):
        factor = 3 if role is _of_the_spine else 1
        values = [
            (own, made if made is None else made - factor * 100 * number if role is _of_the_spine else made, newest)
            for own, made, newest in _parts(named, number, name)
        ]
        if role is _looked_up:
            values = [(own, sum(item or 0 for item in own) if own else None, newest) for own, _, newest in values]
        assert values == wanted, name


@pytest.mark.some(2, cases=6)
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("name", ["RowId", "rowid", "order"])
def test_a_name_of_a_time_or_of_a_result_means_nothing(
    name: str, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The timestamp of a view; an aggregate; what a function makes, from what an aggregation makes."""

    def built(name: str) -> Sequence[dict[str, Any]]:
        made = TinyProject(tmp_path / name).without("item_vector", "events_1d")
        made.views["prices"]["source"] |= {"timestamp_field": name, "created_field": "since"}
        made.views["prices"]["fields"] = fields(
            item_id="int64", **{name: "timestamp[us]"}, since="timestamp[us]", price="double"
        )
        made.data["prices"] = [(*row[:2], *row[1:]) for row in made.data["prices"]]
        with_rolling(made, name, "double", kind="last", column="price", history={"view": "prices"}, entity="item")
        made.runtime["compute"] = {"engine": engine}
        made.write().write_data()
        build(made, days=[DAY])
        assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()
        return [{PLAIN if key == name else key: value for key, value in row.items()} for row in rows_of(made)]

    wanted = built(PLAIN)
    assert [row[PLAIN] for row in wanted] == [2.5, None]
    assert built(name) == wanted
