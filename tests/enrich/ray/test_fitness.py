"""Whether a node can work for a run, and what an actor elsewhere tells."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from daeda.errors import DayError, WorkerUnfit
from enrich.part.task import PartTask
from enrich.ray import fitness as module
from enrich.ray.actors import PartWorker
from enrich.ray.fitness import CODE, PACKAGES, Fitness
from enrich.ray.here import look
from enrich.store.store import open_store
from enrich.store.vectors import BatchedVectors
from tests.disk import mounted_again


@pytest.fixture
def fitness(tmp_path: Path) -> Fitness:
    return Fitness.of_the_driver(str(tmp_path))


def test_the_driver_is_fit(fitness: Fitness, tmp_path: Path) -> None:
    assert fitness.problem_here() is None
    assert set(fitness.versions) == set(PACKAGES)
    assert "none" not in fitness.versions.values()
    assert look(str(tmp_path), ("no-such-package",), "no_such_module")["versions"] == {"no-such-package": "none"}


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"code": ""}, "the worker on far has no module 'enrich': install daeda's wheel with the extra `ray` there"),
        (
            {"code": "another"},
            "the worker on far has other code of daeda's enrichment than the driver: install the same wheel there",
        ),
        (
            {"sees": False},
            "the worker on far does not see {directory}: data_root and output_root must lie on storage that every "
            "worker reaches by the same path",
        ),
        (
            {"writes": False},
            "the worker on far may not write below {directory}: mount output_root for writing there, and start the "
            "worker as a user who may write what the driver writes",
        ),
        (
            {"numpy": "1.0", "pylance": "none"},
            "the worker on far has pylance none instead of {pylance}, numpy 1.0 instead of {numpy}: install the same "
            "versions there, or days would depend on who built them",
        ),
    ],
)
def test_a_node_that_cannot_work_for_the_run(fitness: Fitness, seen: dict[str, Any], told: str) -> None:
    there = look(fitness.directory, PACKAGES, CODE) | {"host": "far"}
    assert fitness.problem(there) is None
    there["versions"] |= {name: there_has for name, there_has in seen.items() if name in PACKAGES}
    there |= {name: there_has for name, there_has in seen.items() if name not in PACKAGES}
    assert fitness.problem(there) == told.format(directory=fitness.directory, **fitness.versions)


def test_a_node_that_has_the_storage_read_only(fitness: Fitness, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with mounted_again(tmp_path / "run", tmp_path / "mounted") as read_only:
        there = dataclasses.replace(fitness, directory=str(tmp_path / "mounted"))
        assert there.problem_here() is None
        read_only()
        assert "may not write below" in str(there.problem_here())


def test_the_code_of_a_package_is_all_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "some_code" / "below").mkdir(parents=True)
    (tmp_path / "some_code" / "__init__.py").write_text("")
    digests = [look(str(tmp_path), (), "some_code")["code"]]
    for name, text in (("below/a.py", "a"), ("below/a.py", "b"), ("below/b.txt", "no code")):
        (tmp_path / "some_code" / name).write_text(text)
        digests.append(look(str(tmp_path), (), "some_code")["code"])
    assert len(set(digests)) == 3
    assert digests[2] == digests[3]


def test_an_actor_elsewhere_names_its_host(fitness: Fitness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.socket, "gethostname", lambda: "far")
    worker = PartWorker(None, fitness)
    task = PartTask("/no/such/part-0-0.parquet", "/no/such/output/part-0-0.parquet", 0, 10, ())
    told = pickle.loads(worker.result(task, {}))
    assert isinstance(told, DayError)
    assert str(told).startswith("the worker on far: /no/such/part-0-0.parquet")


def test_a_node_that_does_not_see_a_store_names_both(
    fitness: Fitness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened where vectors are read batch by batch, and nowhere else."""
    path = str(tmp_path / "store")
    lance.write_dataset(
        pa.table({"id": pa.array([1], pa.int64()), "vec": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}), path
    )
    store = open_store("art", path, "id", "vec", 2, 1)
    travelled = pickle.loads(pickle.dumps(BatchedVectors(store, store.row_map())))
    Path(path).rename(tmp_path / "hidden")
    with pytest.raises(DayError) as failure:
        travelled.fetch(pa.array([1]))
    monkeypatch.setattr(module.socket, "gethostname", lambda: "far")
    assert str(fitness.told_from_here(failure.value)) == (
        f"the worker on far: embedding store 'art': {path} is not seen there, and was where the run began: stores must "
        "lie on storage that every worker reaches by the same path, and stay while the run is at work"
    )
    # It may be seen later.
    (tmp_path / "hidden").rename(path)
    assert travelled.fetch(pa.array([1]))[1].tolist() == [[1.0, 2.0]]


def test_an_actor_that_is_not_fit_does_nothing(fitness: Fitness, tmp_path: Path) -> None:
    worker = PartWorker(None, dataclasses.replace(fitness, directory=str(tmp_path / "hidden")))
    worker._unfit = worker._fitness.problem_here()
    told = pickle.loads(worker.result(PartTask("", "", 0, 10, ()), {}))
    assert isinstance(told, WorkerUnfit)
    assert f"does not see {tmp_path / 'hidden'}: " in str(told)
