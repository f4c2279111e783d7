"""The context of a run: one object in a process, however often Beam unpickles an operator."""

from __future__ import annotations

import datetime as dt
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from apache_beam.internal import pickler

from beam_pipeline.workers import context as module
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.limits import DayLimits

DAY = dt.date(2024, 1, 1)


def _context(**changed: object) -> RunContext:
    context = RunContext(
        service="s",
        data_root="/data",
        service_dir="/out/s",
        run_dir="/out/s/_run",
        limits=DayLimits(memory_bytes=1 << 30, threads=2, temp_directory=""),
        day_workers=2,
        days=(DAY,),
        software={"duckdb": "1"},
    )
    return replace(context, **changed)  # type: ignore[arg-type]


def test_equal_contexts_are_one_object_in_a_process() -> None:
    _, first = pickle.loads(pickle.dumps(("first", _context())))
    _, second = pickler.loads(pickler.dumps(("second", _context())))
    assert first is second
    assert first == _context()


def test_contexts_that_differ_stay_apart() -> None:
    first, second = (pickle.loads(pickle.dumps(each)) for each in (_context(), _context(days=())))
    assert (first.days, second.days) == ((DAY,), ())


def test_a_context_that_was_changed_is_pickled_as_it_is_now() -> None:
    first = _context()
    pickle.dumps(first)
    assert pickle.loads(pickle.dumps(replace(first, service="t"))).service == "t"


def test_threads_that_unpickle_at_once_get_one() -> None:
    pickled = pickle.dumps(_context(service="threads"))
    with ThreadPoolExecutor(8) as threads:
        contexts = list(threads.map(pickle.loads, [pickled] * 64))
    assert all(each == contexts[0] for each in contexts)
    assert pickle.loads(pickled) is pickle.loads(pickled)


def test_a_context_goes_with_its_last_operator() -> None:
    context = pickle.loads(pickle.dumps(_context(service="gone")))
    digest, _ = context._pickled
    assert module._CONTEXTS[digest] is context
    del context
    gc.collect()
    assert digest not in module._CONTEXTS
