"""An epoch has each row once, whatever parts, workers, ranks, seeds, sizes of batches, kills and resumes there are."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from daeda_data.training_data import TrainingData
from tests.budget import examples
from tests.daeda_data.loader.made import SHAPES, Key, keys, keys_of, publish


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TrainingData]:
    return {name: publish(tmp_path_factory.mktemp("days"), shape) for name, shape in SHAPES.items()}


def resumed(data: TrainingData, choice: random.Random, settings: dict[str, Any]) -> list[Key]:
    """The rows of an epoch in which the iterator is closed or dropped again and again, and goes on from JSON."""
    given: list[Key] = []
    state: str | None = None
    while True:
        resume = None if state is None else json.loads(state)
        batches = data.batches(choice.randint(1, 12), resume=resume, **settings)
        kill_after = choice.choice([0, 1, 2, 5, None])
        taken = list(itertools.islice(batches, kill_after))
        given += keys_of(taken)
        state = json.dumps(batches.state())
        if taken:
            assert taken[-1].state == batches.state()
        if choice.random() < 0.5:
            batches.close()
        if kill_after is None:
            return given


@pytest.mark.parametrize("name", SHAPES)
def test_the_rows_of_an_epoch_are_those_of_the_files(name: str, published: Mapping[str, TrainingData]) -> None:
    data = published[name]
    choice = random.Random(name)
    for _ in range(examples(160)):
        ranks, of_rank = choice.randint(1, 3), choice.randint(1, 3)
        settings: dict[str, Any] = {
            "shuffle_seed": choice.choice([None, 0, choice.randrange(1 << 40)]),
            "epoch": choice.randint(0, 3),
            "window_rows": choice.randint(1, 40),
            "columns": ["row"],
            "read_ahead": choice.randint(1, 3),
        }
        given = []
        for worker in range(ranks * of_rank):
            own = {**settings, "workers": (worker, ranks * of_rank)}
            whole = keys_of(data.batches(choice.randint(1, 50), **own))
            assert resumed(data, choice, own) == whole, own
            given += whole
        assert sorted(given) == keys(data), settings


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_open_iterator_has_no_twin(twin: Callable[[object], object], published: Mapping[str, TrainingData]) -> None:
    with next(iter(published.values())).batches(4, columns=["row"]) as batches:
        with pytest.raises(TypeError, match=r"`batches\(\.\.\., resume=state\)` goes on from there"):
            twin(batches)
        assert next(batches).rows


def test_a_state_in_another_epoch_goes_on_in_that_epoch(published: Mapping[str, TrainingData]) -> None:
    data = published["large and small"]
    first = data.batches(7, 3, columns=["row"], epoch=2)
    given = keys_of([next(first)])
    second = data.batches(7, 3, columns=["row"], resume=first.state())
    first.close()
    assert second.epoch == 2
    assert sorted(given + keys_of(second)) == keys(data)


@pytest.mark.parametrize("workers", [1, 2, 4, 7])
@pytest.mark.parametrize("seed", [None, 5])
def test_without_the_last_batch_all_workers_give_equally_many(
    workers: int, seed: int | None, published: Mapping[str, TrainingData]
) -> None:
    data = published["large and small"]
    given: list[Key] = []
    settings: dict[str, Any] = {"columns": ["row"], "drop_last": True, "window_rows": 10}
    for worker in range(workers):
        settings["workers"] = (worker, workers)
        batches = data.batches(4, seed, **settings)
        expected = len(keys(data)) // workers // 4
        assert batches.batches_left == expected
        made = list(batches)
        assert [batch.rows for batch in made] == [4] * expected
        assert batches.batches_left == 0
        assert list(data.batches(4, seed, **settings, resume=batches.state())) == []
        given += keys_of(made)
    assert len(set(given)) == len(given)
    assert set(given) <= set(keys(data))


def test_batches_are_full_but_for_the_last_one(published: Mapping[str, TrainingData]) -> None:
    data = published["large and small"]
    for seed in (None, 1):
        batches = data.batches(8, seed, columns=["row"], window_rows=10)
        sizes = [batch.rows for batch in batches]
        assert sizes == [8] * 7 + [3]
        assert repr(batches) == "Batches(epoch 0: 59 of 59 rows given)"


def test_rows_come_in_their_order_without_a_seed(published: Mapping[str, TrainingData]) -> None:
    for data in published.values():
        assert keys_of(data.batches(5, columns=["row"])) == keys(data)
