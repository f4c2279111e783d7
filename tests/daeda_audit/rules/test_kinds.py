"""The audit's aggregates against the oracle, which shares no code with them."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daeda.aggregates import DECAYED_KINDS, LIST_KINDS
from daeda.settings.aggregations import AggregationSpec
from daeda_audit.rules.running import running
from tests.budget import examples
from tests.kinds import kinds_of, reading
from tests.oracle.rolling import Faded
from tests.oracle.rolling import aggregate as oracle

DOUBLES = st.one_of(st.none(), st.sampled_from([0.1, 0.2, 1e16, -1e16, math.nan, math.inf, -math.inf]), st.floats())
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "doubles": DOUBLES.map(lambda value: value if value is None else value + 0.0),
    "integers": st.one_of(st.none(), st.integers(-5, 5)),
    "decimals": st.one_of(st.none(), st.decimals(-99, 99, places=2).map(Decimal)),
    "booleans": st.sampled_from([None, False, True]),
    "texts": st.one_of(st.none(), st.sampled_from(["", "a", "b", "é"])),
    "lists": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=4)),
}
DTYPES = {
    "doubles": "double", "integers": "int64", "decimals": "decimal(4, 2)", "texts": "string",
    "booleans": "bool", "lists": "list<int64>",
}  # fmt: skip
KINDS = {name: kinds_of(dtype) for name, dtype in DTYPES.items()}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Any], int | None, str]:
    values = draw(st.sampled_from(sorted(VALUES)))
    kind = draw(st.sampled_from(KINDS[values]))
    listed = kind in LIST_KINDS
    order = draw(st.sampled_from(["newest_first", "oldest_first"])) if listed else "newest_first"
    return kind, draw(st.lists(VALUES[values], max_size=12)), draw(st.integers(1, 6)) if listed else None, order


@settings(max_examples=examples(400))
@given(cases())
def test_every_kind_gives_what_the_oracle_gives(case: tuple[str, list[Any], int | None, str]) -> None:
    kind, values, length, order = case
    spec = AggregationSpec.model_validate(
        {"name": "x", "entity": "user", "history": {"view": "v"}, "kind": kind, "window": "1d"}
        | reading(kind, "value")
        | ({"max_length": length, "order": order} if length else {})
        | ({"q": "0.7"} if kind == "quantile" else {})
        | ({"half_life": "3ns"} if kind in DECAYED_KINDS else {})
    )
    keeps = kind == "sequence"
    held = [(len(values) - place, value) for place, value in enumerate(values, 1) if keeps or value is not None][::-1]
    instants, known = [instant for instant, _ in held], [{"value": value} if keeps else value for _, value in held]
    ages = list(range(1, len(values) + 1))
    inside = running(spec, known, instants, 1, q=spec.outputs[0].q)
    for row in range(len(known)):
        inside.enter(row)
    wanted, found = (
        oracle(
            kind,
            [{"value": value} for value in values],
            "value",
            length,
            order,
            ages,
            "0.7",
            [Fraction(age, 3) for age in ages],
        ),
        inside.value(len(values)),
    )
    if isinstance(wanted, Faded):
        assert math.isclose(wanted, found, rel_tol=1e-12, abs_tol=wanted.most - wanted.least)
        assert math.isclose(wanted.most, found.most, rel_tol=1e-12, abs_tol=(wanted.most - wanted.least) * 1e-3)
        assert math.isclose(wanted.least, found.least, rel_tol=1e-12, abs_tol=(wanted.most - wanted.least) * 1e-3)
    elif kind == "std" and isinstance(wanted, float) and math.isfinite(wanted):
        assert math.isclose(wanted, found, rel_tol=1e-14)
    else:
        assert repr(wanted) == repr(found)
