"""What Ray Data finds in place of its own actors, while runs of one process begin and end."""

from __future__ import annotations

from typing import Any

import pytest
import ray.data._internal.stats as stats

from enrich.ray import data_actors


@pytest.fixture(autouse=True)
def originals(monkeypatch: pytest.MonkeyPatch) -> None:
    for getter, modules in data_actors._GETTERS:
        for module in modules:
            monkeypatch.setattr(module, getter, lambda getter=getter: f"original {getter}")


def found() -> list[Any]:
    return [getattr(module, getter)() for getter, modules in data_actors._GETTERS for module in modules]


ORIGINALS = [f"original {getter}" for getter, modules in data_actors._GETTERS for _ in modules]
FIRST = ["tracker 1", "tracker 1", "statistics 1", "coordinator 1"]
SECOND = ["tracker 2", "tracker 2", "statistics 2", "coordinator 2"]


def test_ray_data_finds_what_a_run_has_in_place_of_its_actors() -> None:
    with data_actors._instead("tracker 1", "statistics 1", "coordinator 1"):
        assert found() == FIRST
    assert found() == ORIGINALS


def test_a_run_that_was_given_up_takes_nothing_from_the_next_one() -> None:
    given_up = data_actors._instead("tracker 1", "statistics 1", "coordinator 1")
    given_up.__enter__()
    with data_actors._instead("tracker 2", "statistics 2", "coordinator 2"):
        assert found() == SECOND
        given_up.__exit__(None, None, None)
        assert found() == SECOND
    assert found() == ORIGINALS


def test_what_is_in_place_goes_when_a_run_fails() -> None:
    with pytest.raises(OSError, match="failed"), data_actors._instead("tracker 1", "statistics 1", "coordinator 1"):
        raise OSError("failed")
    assert stats.get_or_create_stats_actor() == "original get_or_create_stats_actor"
