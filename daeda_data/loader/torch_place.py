"""What an iterable dataset of PyTorch needs that is not PyTorch: whose rows these are, arrays that tensors can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from daeda.errors import UsageError
from daeda_data.loader.batch import Array

_STATES = "resume is a list of states, the newest `.state` of a batch of each worker"


class WorkerInfo(Protocol):
    """What `torch.utils.data.get_worker_info()` gives in a worker of a DataLoader."""

    id: int
    num_workers: int


@dataclass(frozen=True)
class Place:
    """A process of a training: its rank among all of them."""

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank is {self.rank} of {self.world}: ranks count from 0")

    def workers(self, info: WorkerInfo | None) -> tuple[int, int]:
        """Number and count of workers over all ranks: each rank has as many, and one where there is no DataLoader.

        >>> Place(1, 2).workers(None)
        (1, 2)
        """
        if info is None:
            return self.rank, self.world
        return self.rank * info.num_workers + info.id, self.world * info.num_workers


def place_of(rank: int | None, world: int | None) -> Place | None:
    """The place that is given; None where none is, and torch.distributed tells it."""
    if rank is None and world is None:
        return None
    if rank is None or world is None:
        raise UsageError("rank and world belong together: give both, or none where torch.distributed is initialised")
    return Place(rank, world)


def newest_epoch(states: Sequence[Mapping[str, Any]]) -> int:
    """The epoch that states of workers go on with; raises UsageError for what is no list of states.

    Workers begin an epoch together: one whose newest state is of an older epoch has given nothing of the newest.

    >>> newest_epoch([{"epoch": 0, "workers": (0, 2)}, {"epoch": 1, "workers": (1, 2)}])
    1
    """
    epochs = [state.get("epoch") if isinstance(state, Mapping) else None for state in states]
    whole = [epoch for epoch in epochs if isinstance(epoch, int)]
    if not epochs or len(whole) < len(epochs):
        raise UsageError(_STATES)
    return max(whole)


def state_of_worker(states: Iterable[Mapping[str, Any]], workers: tuple[int, int]) -> Mapping[str, Any] | None:
    """Where a worker goes on; None where none of the states is its own, for it had given nothing.

    Raises UsageError where states are of another number of workers, of two epochs, or two are of one worker.
    """
    own: Mapping[str, Any] | None = None
    epochs, seen = set(), set()
    for state in states:
        try:
            worker, count = state["workers"]
            epochs.add(state["epoch"])
        except (KeyError, TypeError, ValueError):
            raise UsageError(_STATES) from None
        if count != workers[1]:
            raise UsageError(
                f"resume: the states are of {count} workers over all ranks, and there are {workers[1]} now: go on with "
                "as many"
            )
        if worker in seen:
            raise UsageError(f"resume: two states are of worker {worker}: keep the newest one of each")
        seen.add(worker)
        own = state if worker == workers[0] else own
    if len(epochs) > 1:
        raise UsageError(f"resume: the states are of epochs {sorted(epochs)}: keep those of the newest one")
    return own


def for_tensor(array: Array) -> Array:
    """The array as a tensor can share its memory: times as whole numbers of their unit, and memory that may be written.

    >>> for_tensor(np.array(["1970-01-02"], "datetime64[D]"))
    array([1])
    """
    if array.dtype.kind == "M":
        array = array.view(np.int64)
    return array if array.flags.writeable and array.flags.c_contiguous else array.copy()
