"""The dataset of PyTorch in PyTorch: `make torch` installs it, and runs what is marked `torch`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daeda.errors import UsageError
from daeda_data.training_data import TrainingData
from tests.daeda_data.loader.made import keys, publish

torch = pytest.importorskip("torch", reason="PyTorch is no part of [dev]: make torch")
pytestmark = pytest.mark.torch

SETTINGS: dict[str, Any] = {"batch_rows": 4, "shuffle_seed": 3, "window_rows": 10, "columns": ["row", "time", "seen"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return publish(tmp_path_factory.mktemp("days"), [[20, 7, 1], [30, 12]])


def loader_of(dataset: Any, workers: int, **more: Any) -> Any:
    context = "spawn" if workers else None
    return torch.utils.data.DataLoader(
        dataset, batch_size=None, num_workers=workers, multiprocessing_context=context, **more
    )


def rows_of(batches: Any) -> list[tuple[str, int]]:
    rows = []
    for batch in batches:
        days = batch.days.numpy().astype("datetime64[D]").astype(str).tolist()
        rows += list(zip(days, batch["row"].tolist(), strict=True))
    return rows


def test_a_batch_has_tensors(data: TrainingData) -> None:
    batch = next(iter(data.torch(**SETTINGS, pad={"seen": 3})))
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in batch.arrays.items()} == {
        "row": (torch.int64, (4,)),
        "time": (torch.int64, (4,)),
        "seen": (torch.int64, (4, 3)),
    }
    assert batch.masks["seen"].dtype == torch.bool
    assert batch.lengths["seen"].shape == (4,)
    assert len(batch) == 4
    assert batch.to("cpu", non_blocking=True)["row"].tolist() == batch["row"].tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_has_each_row_once(workers: int, data: TrainingData) -> None:
    assert sorted(rows_of(loader_of(data.torch(**SETTINGS), workers))) == keys(data)


def test_ranks_and_workers_have_each_row_once(data: TrainingData) -> None:
    given = []
    for rank in range(2):
        given += rows_of(loader_of(data.torch(**SETTINGS, rank=rank, world=2), 2))
    assert sorted(given) == keys(data)


def test_workers_that_stay_see_the_next_epoch(data: TrainingData) -> None:
    dataset = data.torch(**SETTINGS)
    loader = loader_of(dataset, 2, persistent_workers=True)
    orders = []
    for epoch in range(2):
        dataset.set_epoch(epoch)
        orders.append(rows_of(loader))
    assert sorted(orders[0]) == sorted(orders[1]) == keys(data)
    assert orders[0] != orders[1]
    expected = [batch["row"].tolist() for batch in data.batches(**SETTINGS, epoch=1, workers=(0, 2))]
    assert orders[1][:4] == [row for row in orders[1][:4] if row[1] in expected[0]]


def test_an_epoch_goes_on_in_another_loader(data: TrainingData) -> None:
    states: dict[int, Any] = {}
    given = []
    for number, batch in enumerate(loader_of(data.torch(**SETTINGS), 2)):
        given += rows_of([batch])
        states[batch.state["workers"][0]] = json.loads(json.dumps(dict(batch.state)))
        if number == 4:
            break
    dataset = data.torch(**SETTINGS, resume=list(states.values()))
    assert dataset.epoch == 0
    given += rows_of(loader_of(dataset, 2))
    assert sorted(given) == keys(data)
    with pytest.raises(UsageError, match="the states are of 2 workers over all ranks, and there are 1 now"):
        next(iter(dataset))
    dataset.set_epoch(1)
    assert sorted(rows_of(dataset)) == keys(data)


def test_the_rank_is_that_of_the_process_group(data: TrainingData, tmp_path: Path) -> None:
    early = data.torch(**SETTINGS)
    torch.distributed.init_process_group("gloo", f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    try:
        assert sorted(rows_of(data.torch(**SETTINGS))) == keys(data)
        assert sorted(rows_of(early)) == keys(data), "one rank of one is what there was before"
    finally:
        torch.distributed.destroy_process_group()


def test_what_is_pinned_has_the_same_values(data: TrainingData) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator: nothing can be pinned")
    batch = next(iter(data.torch(**SETTINGS)))
    assert batch["row"].is_pinned()


def test_a_model_learns_from_it(data: TrainingData) -> None:
    model = torch.nn.Linear(1, 1)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)
    losses = []
    dataset = data.torch(**SETTINGS)
    for epoch in range(3):
        dataset.set_epoch(epoch)
        for batch in dataset:
            rows = batch["row"].float()[:, None]
            loss = torch.nn.functional.mse_loss(model(rows), rows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
