"""What runs inside Ray: the workers that enrich the parts of all days of a run, as the queue hands them out.

One pool of actors serves all days, because a new one takes seconds. An input of theirs is a share of one day: the actor
takes part after part until none is left. A share of a later day waits at the queue until that day's vectors are posted,
which is after the day before was published:

    driver   post(day 1)  <- receipts of day 1, publish   post(day 2) ...
    actors   part 0, 1, 2 of day 1 | a share of day 2 waits | part 0, 1 of day 2 ...
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import ray

from daeda.errors import DaedaError
from enrich.part.part import enrich_part
from enrich.part.task import PartTask, Receipt
from enrich.ray.part_queue import References
from enrich.store.vectors import VectorSource

# What comes back of a part, pickled.
PartResult = Receipt | DaedaError
# The column of Ray Data that holds the position of an input.
POSITION = "position"


class PartWorker:
    """Enriches parts. Nothing is kept between shares, so that the vectors of a day go when it ends.

    A part that is enriched again gets the same bytes: Ray repeats the input of an actor that died.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Work on one share: a batch of one row. Receipts go to the queue at once, since Ray Data looks for results
        only ten times a second.
        """
        position = int(batch[POSITION][0])
        shown: References | None = None
        vectors: dict[str, VectorSource] = {}
        while (claimed := ray.get(self._queue.claim.remote(position))) is not None:
            packed, references = claimed
            if shown is None:
                # Arrays come as views of the object store, and a store is opened where it arrives.
                vectors = {name: ray.get(reference) for name, reference in references.items()}
                shown = references
            ray.get(self._queue.report.remote(position, self.result(pickle.loads(packed), vectors)))
        return batch

    def result(self, task: PartTask, vectors: Mapping[str, VectorSource]) -> bytes:
        """The pickled receipt of a part, or what went wrong with it."""
        try:
            result: PartResult = enrich_part(task, vectors)
        except DaedaError as error:
            # Its own errors are results too: Ray Data would add its advice to them.
            result = error
        return pickle.dumps(result)
