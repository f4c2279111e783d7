"""`daeda.project()`: what is declared, and commands whose answers are objects and whose mistakes are raised."""

from __future__ import annotations

import datetime as dt
import doctest
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import daeda
import daeda_python.project
from daeda.cli.train import _tell_verdicts
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import Verdict
from daeda_python import driver
from daeda_python.driver import Ended
from daeda_python.results import Audit, Check, Plan, Preview, Run
from daeda_python.told import Progress
from tests.daeda.functions.project import FunctionProject
from tests.daeda_data.days import publish_by_hand
from tests.projects import TinyProject


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without vectors; its runs do not need Ray."""
    root = tmp_path_factory.mktemp("shop")
    TinyProject(root).without_enrichment().write().write_data()
    return root


def test_the_examples_of_docstrings_print_what_they_say(path: Path) -> None:
    tried = doctest.testmod(daeda_python.project, extraglobs={"path": path})
    assert tried.attempted > 10
    assert tried.failed == 0
    # What the example of `train` has published.
    published = daeda.project(path).dataset(half="skeleton", days="2024-01-02")
    assert published.arrow().to_table().column("price").to_pylist() == [2.5, None]


def test_a_project_is_found_from_below_it_and_by_its_runtime_file(path: Path) -> None:
    (path / "notebooks").mkdir(exist_ok=True)
    for place in (path, path / "notebooks", path / "config/training/runtime.yaml"):
        project = daeda.project(place)
        assert project.root == path
        assert project.services.names == ("ranking",)
    assert repr(project) == f"daeda.project('{path}'): ranking"
    with pytest.raises(daeda.UsageError, match=r"^no project here: neither / nor a directory above it has"):
        daeda.project("/")


def test_a_path_is_its_own_project_or_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TinyProject(tmp_path / "shop").without_enrichment().write()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    assert daeda.project("../shop").root == daeda.project("../empty/../shop").root == tmp_path / "shop"
    for place in ("..", "../empty"):
        with pytest.raises(daeda.UsageError, match=r"^no project here: neither "):
            daeda.project(place)
    for place in ("shpo", "../nowhere", "config/training/runtime.yml"):
        absent = os.path.normpath(tmp_path / "shop" / place)
        with pytest.raises(daeda.UsageError) as refused:
            daeda.project(place)
        assert str(refused.value) == f"{absent} does not exist: give the directory of a project, or its runtime file"


@pytest.mark.parametrize("service", [7, b"shop", ["shop"]])
def test_a_service_that_is_no_name_is_told(service: Any, tmp_path: Path) -> None:
    TinyProject(tmp_path).without_enrichment().write()
    told = f"service= is {service!r}, and not the name of a service: give a text"
    frame = pa.table({"user_id": [1]})
    for project in (daeda.project(tmp_path), daeda.project(tmp_path / "config" / "training" / "runtime.yaml")):
        for call in (project.check, project.plan, project.train, project.audit, project.dataset, project.preview):
            with pytest.raises(daeda.UsageError) as refused:
                call(service)
            assert str(refused.value) == told
        with pytest.raises(daeda.UsageError) as refused:
            project.features(frame, service)
        assert str(refused.value) == told


@pytest.mark.parametrize("place", [7, b"shop", None, "a\0b", "a" * 300])
def test_a_project_whose_path_is_none_is_told(place: Any) -> None:
    with pytest.raises(daeda.UsageError, match=r"^path= is "):
        daeda.project(place)


def test_the_days_of_a_runtime_file_are_those_of_its_output_root(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    project.write()
    runtime = tmp_path / "config/training/runtime.yaml"
    nightly = runtime.with_name("nightly.yaml")
    nightly.write_text(runtime.read_text().replace("output_root: output", "output_root: nightly"))
    for output, rows in (("output", 1), ("nightly", 4)):
        publish_by_hand(Layout(tmp_path / output / "ranking"), dt.date(2024, 1, 2), [pa.table({"row": [0] * rows})])
    assert daeda.project(tmp_path).dataset().rows == 1
    data = daeda.project(nightly).dataset()
    assert (data.rows, data.path) == (4, f"{tmp_path}/nightly/ranking/skeleton")


def test_what_is_declared_is_listed_by_name_and_number_and_becomes_frames(path: Path) -> None:
    project = daeda.project(path)
    views = project.views
    assert [view.name for view in views] == list(views.names) == ["events", "items", "prices"]
    assert views[0] is views["events"]
    assert "prices" in views
    assert len(views[1:]) == 2
    assert views["prices"].first_day == dt.date(2024, 1, 1)
    frame = project.columns.to_pandas()
    assert list(frame["name"])[:2] == ["user_id", "item_id"]
    assert project.columns.to_polars().height == len(project.columns)
    assert views.to_arrow().column("fields").to_pylist()[2][0] == "item_id: int64"
    with pytest.raises(KeyError, match="none of the views is 'price': did you mean 'prices'"):
        views["price"]
    assert repr(views).splitlines()[0] == "3 views"
    assert max(map(len, repr(project.columns).splitlines())) <= 80


def test_a_mistake_of_yaml_is_raised_in_its_sentence(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    project.views["prices"]["ttl"] = "soon"
    project.write().write_data()
    opened = daeda.project(tmp_path)
    with pytest.raises(daeda.ConfigurationError, match=r"^feature_views/prices.yaml:"):
        opened.views  # noqa: B018
    with pytest.raises(daeda.UsageError, match="'shop'"):
        opened.plan("shop")


ANSWERS = {
    Plan: Plan.model_validate(
        {"service": "<b>shop</b>", "sources": {}, "notes": ["a <note>"],
         "days": [{"day": "2024-01-02", "files_read": 3, "cut_windows": [],
                   "datasets": {"skeleton": {"action": "build", "reasons": ["<i>why</i>"]}}}]}),
    Run: Run.model_validate(
        {"service": "<b>shop</b>", "dataset": "skeleton", "location": "/output/<x>",
         "days": [{"day": "2024-01-02",
                   "datasets": {"skeleton": {"outcome": "built", "rows": 12, "seconds": 0.5}}}]}),
    Check: Check.model_validate(
        {"service": "<b>shop</b>", "mistakes": ["<i>wrong</i>"], "warnings": ["w"], "notes": ["n"], "views": [],
         "hints": [{"kind": "k", "where": "w", "evidence": "e", "cure": "c"}]}),
    Audit: Audit.model_validate(
        {"service": "<b>shop</b>", "days": ["2024-01-02"], "passed": False, "appended": [],
         "summary": "<i>1</i> differs",
         "recomputed": [{"column": "<i>price</i>", "checked": 4, "mismatches": 1, "note": ""}]}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_an_answer_prints_as_a_table_and_obeys_no_markup(kind: type) -> None:
    answer = ANSWERS[kind]
    text, markup = repr(answer), answer._repr_html_()
    assert "shop" in text.splitlines()[0]
    assert max(map(len, text.splitlines())) <= 80
    assert "<b>shop" not in markup
    assert "<i>" not in markup
    assert "&lt;" in markup
    assert answer.to_pandas().shape[0] == answer.to_polars().height == answer.to_arrow().num_rows > 0
    assert kind.model_validate_json(answer.text()) == answer  # type: ignore[attr-defined]


def test_a_table_that_is_wide_and_long_says_what_it_leaves_out() -> None:
    from daeda_python.tables import as_html, as_text

    table = pa.table({f"column {number}": ["x" * 30] * 50 for number in range(20)})
    lines = as_text("wide", table).splitlines()
    assert max(map(len, lines)) <= 80
    assert "… 10 more rows" in lines
    assert lines[-1].startswith("… 15 more columns: column 5")
    assert as_html("wide", table).count("<tr>") == 41


def test_one_row_and_one_column_that_are_left_out_are_one() -> None:
    from daeda_python.tables import as_text

    lines = as_text("", pa.table({f"column {number}": ["a" * 8] * 41 for number in range(9)})).splitlines()
    assert lines[-2:] == ["… 1 more row", "… 1 more column: column 8"]


def test_sentences_go_on_in_further_lines_and_names_are_whole() -> None:
    from daeda_python.tables import as_text

    sentence = "config/training/aggregations.yaml:12: " + " ".join(["aggregation_specs.1.kind:"] * 6)
    check = Check.model_validate(
        {"service": "shop", "mistakes": [sentence], "warnings": [], "notes": [], "views": [], "hints": []}
    )
    lines = repr(check).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(line.removeprefix("mistake").strip() for line in lines[2:-1]) == sentence
    name = "recent_products_of_week_28d"
    table = pa.table({"service": ["x" * 30], "name": [name], "none": [None], "kind": ["y" * 30], "why": ["z " * 30]})
    text = as_text("", table)
    assert name in text
    assert "… 1 more column: none" in text


def test_rows_of_a_preview_have_a_line_for_each_column() -> None:
    preview = Preview("shop", pa.table({f"column {number}": [number, None, 7] for number in range(3)} | {
        "list": [[], None, [1, None]],
        "time": pa.array([dt.datetime(2024, 1, 2, 3, 4, 5), None, None])}))  # fmt: skip
    lines = repr(preview).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["column", "row", "0", "row", "1", "row", "2"]
    assert lines[2].split() == ["column", "0", "0", "NULL", "7"]
    assert "2024-01-02 03:04:05 " in repr(preview)
    assert len(lines) == 1 + 6
    assert preview._repr_html_().count("<tr>") == 6
    assert repr(Preview("shop", pa.table({"a": pa.array([], pa.int64())}))).endswith("… 1 more column: a")


def test_a_failed_audit_prints_what_differs_and_why() -> None:
    example = ["price: row 3 of 2024-01-02 (skeleton): item_id 10", "  published   2.5", "  counts      price 3.5"]
    audit = Audit.model_validate(
        {"service": "shop", "days": ["2024-01-02"], "passed": False, "appended": [], "summary": "1 mismatch",
         "recomputed": [{"column": "price", "checked": 4, "mismatches": 1, "note": "", "example": example}]}
    )  # fmt: skip
    assert repr(audit).splitlines()[-4:] == [*example, "1 mismatch"]
    assert "published   2.5" in audit._repr_html_()
    assert audit.to_arrow()["example"].to_pylist() == [example]


def test_days_of_an_audit_may_be_one_text(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[list[str]] = []
    monkeypatch.setattr(daeda.Project, "_run", lambda _, __, ___, ____, flags, *_____: words.append(flags["days"]))
    monkeypatch.setattr("daeda_python.project._result", lambda *_: None)
    project = daeda.project(path)
    for days in ("2024-01-02..2024-01-03", dt.date(2024, 1, 2), ["2024-01-02"], None):
        project.audit(days=days)
    assert words == [["2024-01-02..2024-01-03"], [dt.date(2024, 1, 2)], ["2024-01-02"], None]
    with pytest.raises(daeda.UsageError, match="flags= is a text"):
        project.train(flags="--runner=DirectRunner")


def test_check_answers_with_mistakes_and_can_raise_them() -> None:
    check = ANSWERS[Check]
    assert isinstance(check, Check)
    assert not check.passed
    with pytest.raises(daeda.InputError, match=r"^<i>wrong</i>$"):
        check.raise_if_wrong()


def test_what_a_command_failed_of_is_raised_by_its_class() -> None:
    line = {"level": "error", "message": "day 2024-01-02: no", "error": "DayError", "day": "2024-01-02"}
    with pytest.raises(daeda.DayError, match=r"^day 2024-01-02: no$") as failed:
        Ended(code=1, errors=[line, line]).raise_error()
    assert failed.value.day == dt.date(2024, 1, 2)
    trace = {"level": "error", "message": "ValueError: x", "traceback": ["Traceback", "ValueError: x"]}
    with pytest.raises(daeda.DaedaError, match=r"^ValueError: x") as unforeseen:
        Ended(code=1, errors=[trace]).raise_error()
    assert unforeseen.value.__notes__ == ["Traceback\nValueError: x"]
    with pytest.raises(daeda.DaedaError, match="said nothing"):
        Ended(code=1).raise_error()


def test_a_check_that_fails_behind_the_run_is_raised_in_spite_of_its_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("daeda.process.messages.is_json", lambda: True)
    day = dt.date(2024, 1, 2)
    verdicts = [Verdict("rows > 9", severity, "failed", "2 rows") for severity in ("warn", "fail")]
    assert _tell_verdicts({day: verdicts[:1]}) == 0
    assert _tell_verdicts({day: verdicts}) == 1
    ended = Ended(code=1, answer=ANSWERS[Run].model_dump_json())
    for line in capsys.readouterr().err.splitlines()[1:]:
        driver._heard(line, ended, Progress("train", False))
    with (
        pytest.warns(daeda.DataWarning, match="^2024-01-02: the check 'rows > 9' failed: 2 rows$"),
        pytest.raises(daeda.DayError, match=r"^2024-01-02: the check 'rows > 9' failed: 2 rows$") as failed,
    ):
        daeda_python.project._result(Run, ended)
    assert failed.value.day == day


_WAITS = "import signal, time; signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT]); time.sleep(60)"


@pytest.mark.parametrize("taken_by_another_thread", [False, True])
def test_an_interrupt_while_the_command_starts_ends_it(
    monkeypatch: pytest.MonkeyPatch, taken_by_another_thread: bool
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def interrupt_itself() -> None:
        # As a thread of a notebook, which was started before signals were blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    class Interrupting(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, _words: list[str], **arguments: Any) -> None:
            super().__init__([sys.executable, "-c", _WAITS], **arguments)
            begun.append(self)
            if taken_by_another_thread:
                taking = threading.Thread(target=interrupt_itself)
                taking.start()
                taking.join()
            else:
                os.kill(os.getpid(), signal.SIGINT)

    def no_room() -> None:
        raise OSError("no space left")

    blocked, opened = signal.pthread_sigmask(signal.SIG_BLOCK, ()), len(list(Path("/proc/self/fd").iterdir()))
    # The processes that share the tests ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as changed:
            changed.setattr(subprocess, "Popen", Interrupting)
            with pytest.raises(KeyboardInterrupt):
                driver.run(["train"], Progress("train", False))
    finally:
        signal.signal(signal.SIGINT, before)
    assert [child.poll() is not None for child in begun] == [True]
    with monkeypatch.context() as changed:
        changed.setattr("tempfile.TemporaryFile", no_room)
        with pytest.raises(OSError, match="no space left"):
            driver.run(["train"], Progress("train", False))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


@pytest.mark.cases
def test_a_day_that_fails_is_raised_with_its_sentence(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    project.column("price")["nullable"] = False
    project.write().write_data()
    with pytest.raises(daeda.DayError, match="column 'price' must not be NULL, and 1 rows have none") as failed:
        daeda.project(tmp_path).train(target_date="2024-01-02", progress=False)
    assert failed.value.day == dt.date(2024, 1, 2)


_TRAIN = """
import signal, sys, daeda
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests may ignore it
try:
    daeda.project(sys.argv[1]).train(progress=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
_SLOW = """
import time
def wait(amount):
    open({path!r}, "w").close()
    time.sleep(60)
    return amount
"""


@pytest.mark.cases
def test_an_interrupt_ends_the_run_and_leaves_nothing_running(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    project = FunctionProject(tmp_path)
    project.calls(_SLOW.format(path=str(begun)), "wait", ["amount"], "double").write().write_data()
    words = [sys.executable, "-c", _TRAIN, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as notebook:
        deadline = time.monotonic() + 240
        while not begun.exists():
            assert time.monotonic() < deadline
            assert notebook.poll() is None
            time.sleep(0.05)
        os.kill(notebook.pid, signal.SIGINT)
        assert notebook.communicate(timeout=300)[0] == "interrupted\n"
    assert _running(str(tmp_path)) == []
    assert not [*(tmp_path / "output").rglob("dt=*/_manifest.json")]


def _running(word: str) -> list[str]:
    """Commands of processes that have the word among theirs."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in command:
            found.append(command)
    return found
