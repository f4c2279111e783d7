"""The loader as an iterable dataset of PyTorch: the one module that imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.distributed
import torch.utils.data

from daeda.errors import UsageError
from daeda_data.loader.batch import Batch
from daeda_data.loader.loader import Loader
from daeda_data.loader.torch_place import Place, for_tensor, newest_epoch, state_of_worker

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TorchBatch:
    """A batch with tensors in place of arrays; times are int64 in the unit of their column, days are counted."""

    rows: int
    arrays: Tensors
    masks: Tensors
    lengths: Tensors
    offsets: Tensors
    present: Tensors
    days: torch.Tensor
    state: Mapping[str, Any]

    def __getitem__(self, column: str) -> torch.Tensor:
        return self.arrays[column]

    def __len__(self) -> int:
        return self.rows

    def pin_memory(self) -> TorchBatch:
        """The same in pinned memory; a DataLoader with `pin_memory=True` asks for it."""
        return self._with(torch.Tensor.pin_memory)

    def to(self, device: Any, *, non_blocking: bool = False) -> TorchBatch:
        """The same on a device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def _with(self, change: Any) -> TorchBatch:
        changed: dict[str, Any] = {"days": change(self.days)}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, dict) and entry.name != "state":
                changed[entry.name] = {name: change(tensor) for name, tensor in value.items()}
        return replace(self, **changed)


class TorchBatches(torch.utils.data.IterableDataset):  # type: ignore[misc]
    """Batches for `DataLoader(dataset, batch_size=None, num_workers=…)`; made by `data.torch(...)`.

    Each worker of each rank has its own rows. The rank is that of `torch.distributed` when the dataset is made.
    """

    def __init__(self, loader: Loader, resume: Sequence[Mapping[str, Any]], place: Place | None) -> None:
        super().__init__()
        self._loader = loader
        self._resume = tuple(resume)
        self._place = place or _current() or Place()
        self._is_given = place is not None
        # Workers that live longer than an epoch see what the main process sets.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        if self._resume:
            self._epoch[0] = newest_epoch(self._resume)

    @property
    def epoch(self) -> int:
        """The epoch that the next iterator is of."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Say of which epoch the next iterator is; what was to be resumed is forgotten with another epoch."""
        self._epoch[0] = epoch

    def __iter__(self) -> Iterator[TorchBatch]:
        current = None if self._is_given else _current()
        if current is not None and current != self._place:
            raise UsageError(
                "torch.distributed was initialised after the dataset was made: make it afterwards, or give rank and "
                "world"
            )
        info = torch.utils.data.get_worker_info()
        workers = self._place.workers(info)
        states = [state for state in self._resume if state.get("epoch") == self.epoch]
        resume = state_of_worker(states, workers)
        # The main process pins; a worker of a DataLoader cannot, and its main process does it for it.
        pins = info is None and torch.cuda.is_available()
        with self._loader.open(self.epoch, workers, resume, threads=info is None) as batches:
            for batch in batches:
                made = as_tensors(batch)
                yield made.pin_memory() if pins else made


def as_tensors(batch: Batch) -> TorchBatch:
    """The batch as tensors, which share the memory of its arrays wherever that may be written."""

    def tensors(arrays: Mapping[str, Any]) -> Tensors:
        return {name: torch.from_numpy(for_tensor(array)) for name, array in arrays.items()}

    return TorchBatch(
        batch.rows, tensors(batch.arrays), tensors(batch.masks), tensors(batch.lengths), tensors(batch.offsets),
        tensors(batch.present), torch.from_numpy(for_tensor(batch.days)), batch.state,
    )  # fmt: skip


def _current() -> Place | None:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return Place(distributed.get_rank(), distributed.get_world_size())
