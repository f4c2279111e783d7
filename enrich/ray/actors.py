"""What runs inside Ray: the workers that enrich the parts of all days of a run, as the queue hands them out.

One pool of actors serves all days, because a new one takes seconds. Each has one input of Ray Data for the whole run:
it takes part after part. Those of a later day come once that day's vectors are posted, beside those of the day at work
where both fit, and actors that have nothing left of a day begin the next one while it is published:

    driver   post(day 1)  post(day 2)  <- receipts of day 1, publish  post(day 3) ...
    actor    part 0, 2 of day 1              | part 0, 1 of day 2 ...
    actor    part 1 of day 1      | part 2 of day 2 ...
"""

from __future__ import annotations

import os
import pickle
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray

from daeda.dataset.profile import Usage
from daeda.durations import seconds_since
from daeda.errors import DaedaError, WorkerUnfit, first_line
from enrich.part.part import enrich_part
from enrich.part.task import PartTask, Receipt
from enrich.ray.fitness import Fitness
from enrich.ray.part_queue import Claimed, Life
from enrich.store.vectors import VectorSource


@dataclass(frozen=True)
class Unforeseen:
    """An error of a part that is not one of daeda; its traceback is in the logs of Ray."""

    sentence: str


# What comes back of a part, pickled.
PartResult = Receipt | DaedaError | Unforeseen
# The steps of a profile in which an actor waits: for a part to work on, and for the vectors of its day.
WAIT_FOR_PARTS = "actors wait for parts"
WAIT_FOR_VECTORS = "actors wait for vectors"
# The column of Ray Data that holds the position of an input.
POSITION = "position"


class PartWorker:
    """Enriches parts. Vectors are kept while their day is at work, and no longer.

    A part that is enriched again gets the same bytes: Ray repeats the input of an actor that died.
    """

    def __init__(self, queue: Any, fitness: Fitness) -> None:
        self._queue = queue
        self._fitness = fitness
        self._unfit: str | None = None
        self._waited: tuple[Usage, ...] = ()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Work on the parts of the run: a batch of one row. Receipts go to the queue at once, since Ray Data looks for
        results only ten times a second.
        """
        self._unfit = self._fitness.problem_here()
        position = int(batch[POSITION][0])
        context = ray.get_runtime_context()
        life = Life(context.get_actor_id() or "", context.get_node_id(), os.getpid())
        day = ""
        vectors: dict[str, VectorSource] = {}
        began = time.perf_counter()
        fetching = 0.0
        while (claimed := ray.get(self._queue.claim.remote(position, life, day))) is not None:
            if claimed.day != day:
                # Those of the day before go first.
                vectors = {}
                fetched = time.perf_counter()
                vectors, day = _vectors(claimed), claimed.day
                fetching += seconds_since(fetched)
            if claimed.task is not None:
                waited = seconds_since(began) - fetching
                self._waited = (Usage(WAIT_FOR_PARTS, waited), Usage(WAIT_FOR_VECTORS, fetching))
                result = self.result(pickle.loads(claimed.task), vectors)
                began, fetching = time.perf_counter(), 0.0
                ray.get(self._queue.report.remote(position, day, claimed.number, result))
        return batch

    def result(self, task: PartTask, vectors: Mapping[str, VectorSource]) -> bytes:
        """The pickled receipt of a part, or what went wrong with it."""
        try:
            if self._unfit is not None:
                raise WorkerUnfit(self._unfit)
            receipt = enrich_part(task, vectors)
            result: PartResult = replace(receipt, waited=self._waited) if task.profile else receipt
        except DaedaError as error:
            # Its own errors are results too: Ray Data would add its advice to them.
            result = error if isinstance(error, WorkerUnfit) else self._fitness.told_from_here(error)
        except Exception as error:  # noqa: BLE001 - told by the driver, unless another actor has done the part
            traceback.print_exc()
            result = Unforeseen(f"the enrichment failed: {type(error).__name__}: {first_line(error)}")
        return pickle.dumps(result)


def _vectors(claimed: Claimed) -> dict[str, VectorSource]:
    """The vectors of a day. Arrays come as views of the object store of this node, which has them once for all of its
    actors, and a store is opened where it arrives.
    """
    vectors: dict[str, VectorSource] = {}
    for name, reference in claimed.references.items():
        source: Any = ray.get(reference)
        vectors[name] = source
    return vectors
