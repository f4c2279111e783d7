"""Ctrl-C in a notebook is a KeyboardInterrupt, also where a library has made an error of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import daeda
from tests.daeda.process.long_statement import execute_and_be_sent
from tests.projects import TinyProject, moment


@pytest.fixture
def as_in_a_notebook() -> Iterator[None]:
    """Whatever started the tests may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = TinyProject(tmp_path_factory.mktemp("project")).without_enrichment().write().write_data()
    daeda.project(project.root).train(progress=False)
    return project.root


def frame() -> pa.Table:
    return pa.table({"item_id": [10], "event_timestamp": [moment("03 09:00")]})


CALLS: dict[str, Callable[[daeda.Project], object]] = {
    "daeda.cli.catalog.catalog_answer": lambda project: project.columns,
    "daeda_python.project.run": lambda project: project.train(progress=False),
    "daeda_python.features.run": lambda project: project.features(frame(), progress=False),
    "daeda_python.features.preview_of": lambda project: project.preview(progress=False),
    "daeda_data.finding.find": lambda project: project.dataset(),
    "daeda_data.readers.duckdb.as_duckdb": lambda project: project.dataset().duckdb(),
    "daeda_data.readers.pandas.as_pandas": lambda project: project.dataset().pandas(),
}


@pytest.mark.usefixtures("as_in_a_notebook")
@pytest.mark.parametrize(("met", "call"), CALLS.items(), ids=CALLS)
def test_an_interrupt_that_meets_a_library(
    met: str, call: Callable[[daeda.Project], object], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        execute_and_be_sent(signal.SIGINT, of_a_command=False)

    project = daeda.project(root)
    monkeypatch.setattr(met, interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        call(project)
    assert str(raised.value.__cause__) == "Query interrupted"
