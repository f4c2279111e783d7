"""What the dataset of PyTorch is made of, without PyTorch."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daeda.errors import UsageError
from daeda.installed import install_command
from daeda_data.loader.choice import Wanted
from daeda_data.loader.loader import Loader
from daeda_data.loader.parts import look_at
from daeda_data.loader.settings import Settings
from daeda_data.loader.torch_place import Place, for_tensor, newest_epoch, place_of, state_of_worker
from tests.daeda_data.loader.made import keys, keys_of, publish


@dataclass
class Info:
    """What torch.utils.data.get_worker_info() gives."""

    id: int
    num_workers: int


def test_workers_of_all_ranks_have_numbers_of_their_own() -> None:
    places = [Place(rank, 3).workers(Info(worker, 2)) for rank in range(3) for worker in range(2)]
    assert places == [(number, 6) for number in range(6)]
    assert [Place(rank, 3).workers(None) for rank in range(3)] == [(0, 3), (1, 3), (2, 3)]


def test_a_place_is_given_whole_or_not_at_all() -> None:
    assert place_of(None, None) is None
    assert place_of(1, 2) == Place(1, 2)
    for rank, world in ((1, None), (None, 2)):
        with pytest.raises(UsageError, match="rank and world belong together"):
            place_of(rank, world)
    with pytest.raises(UsageError, match="rank is 2 of 2: ranks count from 0"):
        place_of(2, 2)


def test_each_worker_goes_on_where_its_own_newest_batch_was(tmp_path: Path) -> None:
    data = publish(tmp_path, [[20, 7], [30]])
    parts = look_at(data.parts(), data.columns)
    # As it comes to a worker: pickled, and opened there.
    loader = pickle.loads(pickle.dumps(Loader.of(parts, Wanted(["row"]), Settings(4, 9, 10))))
    given = []
    states: dict[int, Any] = {}
    for worker, batches_taken in enumerate((2, 0, 5, 1)):
        with loader.open(1, (worker, 4)) as batches:
            for _ in range(min(batches_taken, batches.batches_left)):
                batch = next(batches)
                given += keys_of([batch])
                states[worker] = json.loads(json.dumps(batch.state))
    for worker in range(4):
        given += keys_of(loader.open(1, (worker, 4), state_of_worker(states.values(), (worker, 4)), threads=False))
    assert sorted(given) == keys(data)
    assert state_of_worker(states.values(), (1, 4)) is None
    with pytest.raises(UsageError, match="the states are of 4 workers over all ranks, and there are 2 now"):
        state_of_worker(states.values(), (0, 2))
    with pytest.raises(UsageError, match="two states are of worker 0: keep the newest one of each"):
        state_of_worker([states[0], states[0]], (0, 4))
    with pytest.raises(UsageError, match=r"the states are of epochs \[1, 2\]: keep those of the newest one"):
        state_of_worker([states[0], {**states[2], "epoch": 2}], (0, 4))
    with pytest.raises(UsageError, match="resume is a list of states"):
        state_of_worker([{}], (0, 4))


def test_the_newest_epoch_goes_on_whichever_worker_comes_first(tmp_path: Path) -> None:
    """An interrupt behind the first batch of an epoch: the other worker has given nothing of it."""
    data = publish(tmp_path, [[20, 7], [30]])
    loader = Loader.of(look_at(data.parts(), data.columns), Wanted(["row"]), Settings(4, 9, 10))
    with loader.open(1, (1, 2)) as batches:
        first = next(batches)
    states = [{**first.state, "epoch": 0, "workers": [0, 2]}, first.state]
    assert newest_epoch(states) == newest_epoch(states[::-1]) == 1
    current = [state for state in states if state["epoch"] == newest_epoch(states)]
    given = keys_of([first])
    for worker in range(2):
        given += keys_of(loader.open(1, (worker, 2), state_of_worker(current, (worker, 2)), threads=False))
    assert sorted(given) == keys(data)
    for wrong in ([], [{}], ["epoch"], [{"epoch": "1"}], [first.state, None]):
        with pytest.raises(UsageError, match="resume is a list of states"):
            newest_epoch(wrong)  # type: ignore[arg-type]


def test_arrays_as_tensors_can_be() -> None:
    times = np.array(["2024-01-01", "NaT"], "datetime64[us]")
    assert for_tensor(times).tolist() == [1_704_067_200_000_000, -(2**63)]
    writable = np.arange(4)
    assert for_tensor(writable) is writable
    fixed = np.frombuffer(b"ab", np.uint8)
    assert for_tensor(fixed).flags.writeable
    assert for_tensor(np.arange(6).reshape(2, 3)[:, :2]).flags.c_contiguous


def test_torch_is_asked_for_by_name(tmp_path: Path) -> None:
    data = publish(tmp_path, [[3]])
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError) as refused:
            data.torch(4)
        assert str(refused.value) == (
            f"a dataset of PyTorch needs torch, not installed here: install the extra with `{install_command('torch')}`"
        )
