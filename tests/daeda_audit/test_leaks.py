"""Leaks that are planted in the product: the audit names the column each time, and shows the rows that count."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp, parse_one

import beam_pipeline.day.look_up
import beam_pipeline.day.rolling
import daeda.sql.scan
import daeda.sql.statements
import daeda.sql.unordered
from beam_pipeline.windows.numpy_engine import sequences
from beam_pipeline.windows.numpy_engine.lists import take
from daeda.dtypes import TimeUnit
from daeda.durations import Duration
from daeda.operators.dag import Operator
from daeda.operators.relational import Filter, Join, Project
from daeda.operators.temporal import PointInTimeJoin, RollingAggregate
from daeda.sql.handle import Deferred, Materialised
from daeda_audit.command import main
from tests.daeda_audit.feed import DAYS, build, enrich, feed, words
from tests.projects import TinyProject

statements = daeda.sql.statements
unordered = daeda.sql.unordered


@pytest.fixture(scope="module")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feed(tmp_path_factory.mktemp("feed")).root


@pytest.fixture
def made(unbuilt: Path, tmp_path: Path) -> TinyProject:
    """The project, nothing built."""
    shutil.copytree(unbuilt, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = feed(tmp_path_factory.mktemp("built"))
    build(made)
    return made.root


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> TinyProject:
    """The project and its skeleton, as they should be."""
    shutil.copytree(built_once, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


def audit(made: TinyProject, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of an audit by recomputation."""
    code = main(words(made, "--probe", "recompute", "--rows", "60", *more))
    told = capsys.readouterr()
    return code, told.out, told.err


def blamed(told: str) -> set[str]:
    """Columns that the table has with mismatches."""
    lines = [line.split() for line in told.splitlines()]
    table = lines[lines.index(["column", "checked", "mismatches", "note"]) + 1 :]
    found = set()
    for line in table:
        if not line:
            break
        if line[2] != "0":
            found.add(line[0])
    return found


def changing(kind: type[Operator] | Any, **update: Any) -> Callable[[Operator], Operator]:
    """Operators of one kind, with entries that are given or computed from the operator."""

    def swap(operator: Operator) -> Operator:
        if not isinstance(operator, kind):
            return operator
        return operator.model_copy(
            update={name: value(operator) if callable(value) else value for name, value in update.items()}
        )

    return swap


def longer(operator: Any) -> tuple[Any, ...]:
    """Every window a day longer."""
    return tuple(
        aggregate.model_copy(update={"window": Duration.parse(f"{aggregate.window.nanoseconds + 86_400 * 10**9}ns")})
        if aggregate.window.nanoseconds is not None
        else aggregate
        for aggregate in operator.aggregates
    )


def ending_at_the_row(entry: str) -> Callable[[Any], tuple[Any, ...]]:
    """Every window without `aligned_to`, or without `offset`."""
    return lambda operator: tuple(aggregate.model_copy(update={entry: None}) for aggregate in operator.aggregates)


def other_parameters(operator: Any) -> tuple[Any, ...]:
    """Half-lives a second longer, and greater quantiles."""
    return tuple(
        aggregate.model_copy(
            update={
                "half_life": aggregate.half_life and Duration.parse(f"{aggregate.half_life.nanoseconds + 10**9}ns"),
                "q": aggregate.q and Decimal("0.8"),
            }
        )
        for aggregate in operator.aggregates
    )


def always_true(operator: Any) -> str | None:
    return None if operator.predicate is None else "TRUE"


def without_defaults(operator: Any) -> tuple[Any, ...]:
    return tuple(column.model_copy(update={"default": None}) for column in operator.columns)


OPERATORS: dict[str, tuple[Callable[[Operator], Operator], set[str]]] = {
    "a row at the very time is looked up": (changing(PointInTimeJoin, allow_exact=True), {"price", "label"}),
    "ttl ignored": (changing(PointInTimeJoin, ttl=None), {"price", "label"}),
    "created ignored in a look-up": (changing(PointInTimeJoin, created=None), {"price", "label"}),
    "created ignored in a history": (
        changing(RollingAggregate, created=None), {"clicks", "click_tags", "since_click", "faded_clicks"}
    ),
    "windows a day too long": (
        changing(RollingAggregate, aggregates=longer),
        {"events_6h", "events_1d", "clicks", "lately", "since_event", "amounts_6h_p50", "faded_6h", "faded_spent"},
    ),
    "another half-life and quantile": (
        changing(RollingAggregate, aggregates=other_parameters),
        {"faded_6h", "faded_1d", "faded_spent", "amounts_1d_p50"},
    ),
    "an offset forgotten": (changing(RollingAggregate, aggregates=ending_at_the_row("offset")), {"earlier"}),
    "an alignment forgotten": (changing(RollingAggregate, aggregates=ending_at_the_row("aligned_to")), {"hourly"}),
    "availability of a look-up ignored": (changing(PointInTimeJoin, available=None), {"price_late"}),
    "availability of a history ignored": (changing(RollingAggregate, available=None), {"ready"}),
    "the ttl of another use": (changing(PointInTimeJoin, ttl=Duration.parse("5h")), {"price_2h"}),
    "where ignored": (changing(Filter, predicate=always_true), {"(rows)", "liked_items"}),
    "ties in another order": (
        changing(PointInTimeJoin, tie_order=lambda operator: operator.tie_order[::-1]), {"price", "label"}
    ),
    "ties of a history forgotten": (
        changing(RollingAggregate, tie_order=lambda operator: ()), {"recent_items", "item_trail", "trail"}
    ),
    "defaults ignored": (changing(Project, columns=without_defaults), {"label", "category"}),
}  # fmt: skip


def test_what_is_right_passes(built: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    enrich(built)
    code, out, told = audit(built, capsys)
    assert (code, blamed(told)) == (0, set())
    assert out.startswith("leakage audit of ranking, 2 days: ")
    assert out.endswith(" values recomputed, 0 mismatches\n")


def test_look_ups_that_are_searched_pass_and_give_the_same_bytes(
    built_once: Path, made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: Any) -> str:
        raise AssertionError("an as-of join where the right side fits")

    monkeypatch.setattr(statements, "point_in_time_join", refused)
    build(made, searched=True)
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (0, set())
    for day in DAYS:
        paths = sorted((built_once / f"output/ranking/skeleton/dt={day}").glob("*.parquet"))
        assert paths
        for path in paths:
            assert path.read_bytes() == (made.root / path.relative_to(built_once)).read_bytes()


LOOK_UPS = [name for name, (_, columns) in OPERATORS.items() if columns & {"price", "price_late", "price_2h"}]


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("name", "searched"), [*((name, False) for name in OPERATORS), *((name, True) for name in LOOK_UPS)]
)
def test_an_operator_that_does_something_else_is_found(
    name: str, searched: bool, made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    swap, columns = OPERATORS[name]
    build(made, swap, DAYS[1:], searched=searched, broken_sql=False)
    code, out, told = audit(made, capsys)
    assert code == 1
    assert columns <= blamed(told)
    named = {column for column in columns if column in out}
    # The line on stdout ends after some columns.
    assert named == columns or (named and re.search(r" and \d+ more", out))
    for column in columns:
        assert f"\n{column}: row " in told


def inclusive(operator: PointInTimeJoin, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """`>=` where a row is to lie strictly before."""
    return exp.GTE(this=left, expression=right)


def newest_of_all(operator: PointInTimeJoin, left: Materialised, right: Deferred) -> str:
    """The newest row of the key, whatever its time."""
    join = Join(
        name=operator.name, inputs=operator.inputs, output=operator.output, keys=operator.keys,
        columns=operator.columns, latest=True, latest_by=operator.right_time, created=operator.created,
        tie_order=operator.tie_order,
    )  # fmt: skip
    return statements.static_join(join, left, right)


def any_age(operator: PointInTimeJoin, name: str, unit: TimeUnit) -> exp.Expr:
    return statements.column(name, "r")


def flipped(query: str, first: int) -> str:
    """The ORDER BY terms from `first` on, the other way round."""
    tree = parse_one(query, dialect="duckdb")
    order = tree.args["order"]
    for term in order.expressions[first:]:
        term.set("desc", not term.args.get("desc"))
    return tree.sql("duckdb")


def patch_pit_inclusive(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(statements, "_seen", inclusive)


def patch_pit_latest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(statements, "point_in_time_join", newest_of_all)


def patch_pit_ttl(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(statements, "_unless_too_old", any_age)


def patch_pit_ties(patch: pytest.MonkeyPatch) -> None:
    original = statements.ordered_column

    def the_other_way(name: str, dtype: Any, *, greatest_first: bool = False) -> exp.Ordered:
        return original(name, dtype, greatest_first=greatest_first != (name in ("price", "label")))

    patch.setattr(statements, "ordered_column", the_other_way)


def patch_rolling_inclusive(patch: pytest.MonkeyPatch) -> None:
    """`(t - W, t]` for `[t - W, t)`."""
    original = statements.rolling_probes

    def later(*arguments: Any) -> str:
        return original(*arguments).replace(f') AS "{statements.TIME}"', f') + 1 AS "{statements.TIME}"')

    patch.setattr(statements, "rolling_probes", later)


def patch_rolling_ties(patch: pytest.MonkeyPatch) -> None:
    original = unordered.tied_in_order

    def the_other_way(operator: RollingAggregate, *rest: Any) -> str:
        return flipped(original(operator, *rest), 2 if operator.created else 1)

    patch.setattr(unordered, "tied_in_order", the_other_way)


def longer_windows(patch: pytest.MonkeyPatch, more: Callable[[RollingAggregate], int]) -> None:
    """Windows that are too long in the kernel, by so many units."""
    original = beam_pipeline.day.rolling._windowed

    def too_long(operator: RollingAggregate) -> Any:
        return tuple(
            one if one.window is None else dataclasses.replace(one, window=one.window + more(operator))
            for one in original(operator)
        )

    patch.setattr(beam_pipeline.day.rolling, "_windowed", too_long)


def patch_windows_by_a_unit(patch: pytest.MonkeyPatch) -> None:
    longer_windows(patch, lambda operator: 1)


def patch_windows_by_half_an_hour(patch: pytest.MonkeyPatch) -> None:
    longer_windows(patch, lambda operator: 1_800 * statements.unit_of(operator).value)


def patch_ttl_by_a_unit(patch: pytest.MonkeyPatch) -> None:
    """A ttl that is one microsecond too long."""
    original = Duration.in_unit

    def longer(self: Duration, unit: TimeUnit) -> int | None:
        found = original(self, unit)
        return found if found is None or self.text != "5h" else found + 1

    patch.setattr(Duration, "in_unit", longer)


def patch_day(patch: pytest.MonkeyPatch) -> None:
    """A day from 01:00 to 01:00 in the SQL of a scan; the checks before it know when a day begins."""
    original, right = daeda.sql.scan._bounds, daeda.sql.scan.day_bounds

    def an_hour_late(*arguments: Any) -> list[str]:
        with pytest.MonkeyPatch.context() as late:
            late.setattr(
                daeda.sql.scan,
                "day_bounds",
                lambda day, unit: tuple(one + 3_600 * unit.value for one in right(day, unit)),
            )
            return original(*arguments)

    patch.setattr(daeda.sql.scan, "_bounds", an_hour_late)


def patch_misaligned(patch: pytest.MonkeyPatch) -> None:
    """The texts of a sequence are those of the events beside."""

    def beside(values: pa.Array, rows: pa.Array) -> pa.Array:
        return take(values, pa.array(np.roll(rows.to_numpy(), 1)) if pa.types.is_string(values.type) else rows)

    patch.setattr(sequences, "take", beside)


def patch_nulls_dropped(patch: pytest.MonkeyPatch) -> None:
    """A list of its own for each column, without NULLs: they have other lengths."""
    original = sequences.Sequences.of

    def as_lists(self: sequences.Sequences, wanted: Any, where: str) -> pa.Array:
        lists = original(self, wanted, where)
        kept = [[item for item in one if item is not None] for one in lists.to_pylist()] if wanted.apart else lists
        return pa.array(kept, lists.type)

    patch.setattr(sequences.Sequences, "of", as_lists)


PATCHES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "<= for < in a look-up": (patch_pit_inclusive, {"price", "label"}),
    "the latest row of all": (patch_pit_latest, {"price", "label"}),
    "ttl ignored in the SQL": (patch_pit_ttl, {"price", "label"}),
    "tie order of a look-up flipped": (patch_pit_ties, {"price", "label"}),
    "(t - W, t] for [t - W, t)": (patch_rolling_inclusive, {"events_6h", "recent_items", "clicks", "since_event"}),
    "tie order of a history flipped": (patch_rolling_ties, {"recent_items", "item_trail", "last_item"}),
    "windows one unit too long": (patch_windows_by_a_unit, {"events_6h", "events_1d"}),
    "windows half an hour too long": (patch_windows_by_half_an_hour, {"events_6h", "events_1d", "clicks", "lately"}),
    "ttl one unit too long": (patch_ttl_by_a_unit, {"price"}),
    "the day an hour late": (patch_day, {"(rows)"}),
    "a sequence misaligned": (patch_misaligned, {"trail", "seen_6h_kind"}),
    "a sequence without its NULLs": (patch_nulls_dropped, {"seen_6h_amount"}),
}


def patch_search_inclusive(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(beam_pipeline.day.look_up, "_first_unseen", lambda operator, moment: moment + 1)


def patch_search_latest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(beam_pipeline.day.look_up, "_first_unseen", lambda operator, moment: np.full_like(moment, 2**62))


def patch_search_ttl(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(beam_pipeline.day.look_up, "_too_old", lambda operator, moment, time: np.zeros(len(moment), np.bool_))


def patch_search_created(patch: pytest.MonkeyPatch) -> None:
    """A row is seen from its own time on, whenever it became known."""
    original = beam_pipeline.day.look_up._in_order

    def at_once(session: Any, operator: PointInTimeJoin, *rest: Any) -> Any:
        return original(session, operator.model_copy(update={"created": None}), *rest)

    patch.setattr(beam_pipeline.day.look_up, "_in_order", at_once)


SEARCH_PATCHES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "<= for < in a search": (patch_search_inclusive, {"price", "label"}),
    "the latest row of all, searched": (patch_search_latest, {"price", "label"}),
    "ttl ignored in a search": (patch_search_ttl, {"price", "label"}),
    "created ignored in a search": (patch_search_created, {"price", "label"}),
    "tie order of a search flipped": (patch_rolling_ties, {"price", "label"}),
    "ttl of a search one unit too long": (patch_ttl_by_a_unit, {"price"}),
}


@pytest.mark.some(3)
@pytest.mark.parametrize("name", [*PATCHES, *SEARCH_PATCHES])
def test_a_patch_of_the_sql_or_the_kernel_is_found(
    name: str, made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patch, columns = (PATCHES | SEARCH_PATCHES)[name]
    with monkeypatch.context() as patched:
        patch(patched)
        build(made, days=DAYS[1:], searched=name in SEARCH_PATCHES)
    code, out, told = audit(made, capsys)
    assert code == 1
    assert re.search(r" mismatch(es)? in ", out)
    assert columns <= blamed(told)


def test_the_pooled_list_of_another_column_is_found(built: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    enrich(built, lambda one: dataclasses.replace(one, source=one.source.replace("recent_items", "item_trail")))
    code, out, told = audit(built, capsys)
    assert (code, blamed(told)) == (1, {"recent_vector"})
    assert out.endswith(" in recent_vector\n")


def test_a_vector_that_is_not_normalised_is_found(built: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    enrich(built, lambda one: dataclasses.replace(one, normalize="none"))
    code, _, told = audit(built, capsys)
    assert (code, blamed(told)) == (1, {"recent_vector"})


def drop_a_row(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table.slice(0, 3), table.slice(4)]), path)


def repeat_a_row(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table.slice(0, 4), table.slice(3)]), path)


def swap_rows(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.take([1, 0, *range(2, len(table))]), path)


def change_a_field(path: Path) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index("amount")
    pq.write_table(table.set_column(place, "amount", pa.array([7.25] + [None] * (len(table) - 1), pa.float64())), path)


def change_a_type(path: Path) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index("kinds")
    pq.write_table(table.set_column(place, "kinds", table.column("kinds").cast(pa.int32())), path)


FILES: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a row is lost": (drop_a_row, {"(rows)"}),
    "a row is there twice": (repeat_a_row, {"(rows)"}),
    "rows are out of order": (swap_rows, {"(order)"}),
    "a field of the spine is another": (change_a_field, {"amount"}),
    "a column has another type": (change_a_type, {"kinds"}),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_are_those_of_the_spine_in_their_order(
    name: str, built: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    change, columns = FILES[name]
    directory = built.root / "output/ranking/skeleton/dt=2024-01-02"
    manifest = json.loads((directory / "_manifest.json").read_text())
    # The manifest is that of what is there; of a type all parts have the same one.
    for part in manifest["parts"] if change is change_a_type else manifest["parts"][:1]:
        path = directory / part["name"]
        change(path)
        part |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "rows": pq.read_metadata(path).num_rows}
    manifest["rows"] = sum(part["rows"] for part in manifest["parts"])
    for column in manifest["columns"]:
        column["nulls"] = min(column["nulls"], manifest["rows"])
    (directory / "_manifest.json").write_text(json.dumps(manifest))
    code, _, told = audit(built, capsys)
    assert (code, blamed(told)) == (1, columns)


def test_the_first_mismatch_is_a_worked_example(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    build(made, changing(PointInTimeJoin, ttl=None), DAYS[:1])
    _, _, told = audit(made, capsys)
    lines = told.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("price: row "))
    assert " of 2024-01-02 (skeleton): user_id " in lines[at]
    assert lines[at + 1].startswith("  published   ")
    assert lines[at + 2 : at + 4] == ["  recomputed  NULL", "  counts      no row"]
    hidden = [line for line in lines[at + 4 : at + 8] if line.startswith("  not seen    item_id ")]
    assert any(line.endswith(": it is older than the ttl of 5h") for line in hidden)
