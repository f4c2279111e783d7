"""Functions where workers run: below the project root or installed, with the code of the driver."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, join_run
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from daeda.errors import WorkerUnfit

SOURCE = "def same(values):\n    return values\n"
CODE = hashlib.sha256(SOURCE.encode()).hexdigest()
WORKER = f"the worker on {socket.gethostname()}"
Context = Callable[[dict[str, str], str], RunContext]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A run whose driver is this process, as a worker gets it."""
    with open_staging(Layout(tmp_path / "service")) as staging:
        SharedDaySlots(staging.directory, 1).open()

        def of(functions: dict[str, str], root: str) -> RunContext:
            return RunContext(
                "service", "data", str(tmp_path / "service"), str(staging.directory), DayLimits(1 << 30, 1, ""), 1,
                functions=functions, project_root=root,
            )  # fmt: skip

        yield of


def test_a_module_below_the_project_root_or_installed_will_do(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("below_the_root", "installed_where_it_runs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path / "installed_where_it_runs"))
    root = tmp_path / "below_the_root"
    joined = context({"below_the_root:same": CODE, "installed_where_it_runs:same": CODE}, str(root))
    assert join_run(joined)
    forget_run(joined)


def test_a_worker_without_the_function_says_so(context: Context, tmp_path: Path) -> None:
    with pytest.raises(WorkerUnfit) as raised:
        join_run(context({"not_on_this_worker.text:same": CODE}, str(tmp_path)))
    assert str(raised.value) == (
        f"{WORKER}: function 'not_on_this_worker.text:same': no module 'not_on_this_worker' among what is installed "
        f"and below {tmp_path}: correct the path, install the package, or put the module there"
    )


def test_a_worker_with_other_code_says_so(context: Context, tmp_path: Path) -> None:
    (tmp_path / "older_on_this_worker.py").write_text(f"{SOURCE}# older\n")
    with pytest.raises(WorkerUnfit) as raised:
        join_run(context({"older_on_this_worker:same": CODE}, str(tmp_path)))
    assert str(raised.value) == (
        f"{WORKER} has other code behind the function 'older_on_this_worker:same' than the driver: install the same "
        "there"
    )
