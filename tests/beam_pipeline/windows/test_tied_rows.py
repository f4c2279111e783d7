"""What the registry says of tied rows, asked of both engines: every order of them, and which bits come out."""

from __future__ import annotations

import itertools
import math
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from daeda.aggregates import DECAYED_KINDS, KINDS, LIST_KINDS, AggregateKind, Order
from daeda.dtypes import DType
from tests.beam_pipeline.windows.numpy_engine.cases import ENGINES
from tests.kinds import has, reading

QUIET, OTHER = (struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8000000000001, 0x7FF8000000000002))
TEN = Decimal("0.10")
COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "booleans": ("bool", [False, True, False]),
    "integers": ("int64", [3, 1, 2]),
    "doubles": ("double", [0.1, 1e16, -1e16]),
    "doubles with NaN": ("double", [math.nan, 1.0, math.inf]),
    "different NaN": ("double", [QUIET, OTHER]),
    "decimals": ("decimal(9, 2)", [TEN, TEN * 3, TEN * 2]),
    "texts": ("string", ["b", "a", "é"]),
    "lists": ("list<int64>", [[1, 2], [3], [1, None]]),
}


def results(kind: AggregateKind, name: str, engine: str) -> set[bytes]:
    """The bytes of the aggregate of a column, for each order of the rows, which are all of one time."""
    dtype, values = COLUMNS[name]
    q = Decimal(1) if kind == "quantile" else None
    half_life = Fraction(7, 3) if kind in DECAYED_KINDS else None
    most = 2 if kind in LIST_KINDS else None
    wanted = WindowedAggregate("x", kind, max_length=most, q=q, half_life=half_life, **reading(kind, "v"))
    entity, time = np.zeros(len(values), np.int64), np.ones(len(values), np.int64)
    probes = Probes(np.array([0]), np.array([2]))
    column = pa.array(values, DType.parse(dtype).arrow())
    orders = (pa.array(rows) for rows in itertools.permutations(range(len(values))))
    histories = (History(entity, time, {"v": column.take(rows)}) for rows in orders)
    return {bits(ENGINES[engine](history, probes, [wanted], "here")[0]) for history in histories}


def bits(array: pa.Array) -> bytes:
    return repr(array.to_pylist()).encode() + b"".join(buffer.to_pybytes() for buffer in array.buffers() if buffer)


@pytest.mark.some(6)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", get_args(AggregateKind))
def test_the_order_of_tied_rows_shows_where_the_registry_says_so(kind: AggregateKind, engine: str) -> None:
    different = {name for name in COLUMNS if has(kind, COLUMNS[name][0]) and len(results(kind, name, engine)) > 1}
    match KINDS[kind].order:
        case Order.FREE:
            assert not different
        case Order.NAN:
            assert different == {"different NaN"}
        case Order.DECIDES:
            assert different >= {"lists"} if kind == "flatten_distinct" else different >= {"integers", "texts"}
