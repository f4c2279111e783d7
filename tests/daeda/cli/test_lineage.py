"""`train --lineage`: events by the models of OpenLineage's own client, into a file and to a server."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from daeda.cli import train as command
from daeda.cli.lineage import expect_lineage, lineage_destination, tell_lineage
from daeda.dataset.layout import layout_of
from daeda.dataset.manifest import Manifest, read_manifest
from daeda.errors import DayError, UsageError
from daeda.lineage.destination import parse_destination
from daeda.lineage.untold import Untold
from daeda.planning.days import Action, DayPlan
from tests.daeda_report.published import FIRST, Training

pytest.importorskip("openlineage.client", reason="openlineage-python is not installed: the extra lineage has it")
NOW = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return Training(tmp_path_factory.mktemp("lineage"), days=2, rows=20).publish()


@pytest.fixture(scope="module")
def events(training: Training) -> list[Any]:
    """Of the two days of each dataset."""
    from daeda.lineage.events import Events

    project = training.project.load()
    layout = layout_of(project)
    paths = [(view, str(training.root / "data" / view)) for view in ("events", "items")]
    made = Events(project, training.project.compile(), layout, [*paths, ("prices", "s3://bucket/prices")])
    days = [layout.day_dir(dataset, day) for dataset in ("skeleton", "enriched") for day in project.runtime.days]
    manifests = [read_manifest(day) for day in days]
    return [made.of(manifest, NOW) for manifest in manifests if isinstance(manifest, Manifest)]


def told(event: Any) -> Any:
    from openlineage.client.serde import Serde

    return json.loads(Serde.to_json(event))


def test_a_day_is_a_run_with_its_output(events: list[Any], training: Training) -> None:
    event = told(events[0])
    assert (event["eventType"], event["job"]["name"]) == ("COMPLETE", "ranking.skeleton")
    assert event["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2024-01-01T00:00:00+00:00"
    (output,) = event["outputs"]
    assert (output["namespace"], output["name"]) == ("file", str(training.root / "output/ranking/skeleton"))
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 20
    assert [one["name"] for one in output["facets"]["schema"]["fields"]][:2] == ["user_id", "item_id"]
    assert {one["name"] for one in event["inputs"]} == {
        str(training.root / "data/events"), str(training.root / "data/items"), "prices"
    }  # fmt: skip
    assert len({one["run"]["runId"] for one in map(told, events)}) == 4


def test_columns_come_from_fields(events: list[Any], training: Training) -> None:
    fields = told(events[0])["outputs"][0]["facets"]["columnLineage"]["fields"]
    price = [
        (one["namespace"], one["field"], one["transformations"][0]["type"]) for one in fields["price"]["inputFields"]
    ]
    assert price[0] == ("s3://bucket", "price", "DIRECT")
    assert ("file", "item_id", "INDIRECT") in price
    enriched = told(events[2])["outputs"][0]["facets"]["columnLineage"]["fields"]
    store, ids = enriched["item_vector"]["inputFields"]
    assert (store["name"], store["field"]) == (str(training.root / "data/vectors.lance"), "vector")
    assert (ids["name"], ids["field"]) == (str(training.root / "output/ranking/skeleton"), "item_id")
    assert enriched["price"]["inputFields"][0]["transformations"][0]["subtype"] == "IDENTITY"


def test_events_are_lines_that_the_client_reads_again(events: list[Any], tmp_path: Path) -> None:
    from openlineage.client.event_v2 import RunEvent

    from daeda.lineage.sending import send

    file = tmp_path / "events.jsonl"
    for _ in range(2):
        send(parse_destination(str(file), tmp_path, "--lineage"), events)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 8
    assert lines[0] == told(events[0])
    assert isinstance(events[0], RunEvent)


class Server(BaseHTTPRequestHandler):
    """Takes events, but no more than `most`; `/moved` sends on to `/page`, which answers whatever is asked.

    `/broken` fails, and `/slow` takes its time.
    """

    taken: ClassVar[list[tuple[str, str | None, Any]]] = []
    most: ClassVar[int] = 4

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/page")
            self.end_headers()
            return
        if self.path == "/slow":
            time.sleep(0.3)
        if self.path == "/broken":
            self.send_response(500)
            self.end_headers()
            return
        refused = len(self.taken) >= self.most
        if not refused:
            self.taken.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(400 if refused else 201)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.taken.clear()
    with HTTPServer(("127.0.0.1", 0), Server) as one:
        thread = threading.Thread(target=one.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{one.server_port}"
        one.shutdown()
        thread.join()


def test_a_server_gets_them_with_the_key(events: list[Any], server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from daeda.lineage.sending import send

    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")
    send(parse_destination(server, Path(), "--lineage"), events)
    assert [path for path, _, _ in Server.taken] == ["/api/v1/lineage"] * 4
    assert Server.taken[0][1:] == ("Bearer secret", told(events[0]))


def test_a_server_that_refuses_is_told(events: list[Any], server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from daeda.lineage.sending import send

    monkeypatch.setattr(Server, "most", 1)
    with pytest.raises(
        DayError, match=r"/own/path took 1 of 4 events of lineage: it answers 400 Bad Request: the days"
    ):
        send(parse_destination(f"{server}/own/path", Path(), "--lineage"), events)


def test_a_server_that_sends_on_is_told_for_what_is_posted_gets_lost_there(events: list[Any], server: str) -> None:
    from daeda.lineage.sending import send

    with pytest.raises(DayError, match=f"took 0 of 4 events of lineage: it sends on to {server}/page: write that"):
        send(parse_destination(f"{server}/moved", Path(), "--lineage"), events)


@pytest.mark.parametrize(
    ("path", "clause"),
    [
        ("broken", "it fails again and again: too many 500 error responses"),
        ("slow", r"it gives no answer in 0\.1 s, again and again"),
    ],
)
def test_a_server_that_fails_or_is_slow_is_told(
    events: list[Any], server: str, monkeypatch: pytest.MonkeyPatch, path: str, clause: str
) -> None:
    from openlineage.client.transport import http

    from daeda.lineage import sending

    monkeypatch.setitem(http.DEFAULT_RETRY_CONFIG, "total", 1)
    monkeypatch.setattr(sending, "_ANSWER_SECONDS", 0.1)
    with pytest.raises(DayError, match=f"took 0 of 4 events of lineage: {clause}: the days are published"):
        sending.send(parse_destination(f"{server}/{path}", Path(), "--lineage"), events)


def test_a_server_that_is_not_there_is_told(events: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from openlineage.client.transport import http

    from daeda.lineage.sending import send

    monkeypatch.setitem(http.DEFAULT_RETRY_CONFIG, "total", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            DayError, match="took 0 of 4 events of lineage: it cannot be reached: the days are published"
        ):
            send(parse_destination(address, Path(), "--lineage"), events)


@pytest.mark.parametrize("key", ["sch\u043bssel", "two\nlines"])
def test_a_key_that_no_header_takes_is_refused_before_the_first_day(
    training: Training, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", key)
    with pytest.raises(UsageError, match="OPENLINEAGE_API_KEY holds a character that no header takes"):
        lineage_destination(training.project.load(), argparse.Namespace(lineage="http://host"))
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "")
    assert lineage_destination(training.project.load(), argparse.Namespace(lineage="http://host")) is not None


def test_days_that_nobody_was_told_of_are_told_by_the_next_run(
    training: Training, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, first = training.layout, FIRST
    destination = parse_destination(server, Path(), "--lineage")
    untold = Untold(layout, destination)

    def plan(action: Action) -> Any:
        days = [DayPlan(first, "skeleton", action), DayPlan(first + dt.timedelta(days=1), "skeleton", action)]
        paths = [("events", "e"), ("items", "i"), ("prices", "p")]
        project, dag = training.project.load(), training.project.compile()
        return SimpleNamespace(project=project, dag=dag, plans={"skeleton": days}, paths=paths)

    expect_lineage(untold, plan(Action.BUILD))
    monkeypatch.setattr(Server, "most", 1)
    with pytest.raises(DayError, match="took 1 of 2 events of lineage"):
        tell_lineage(destination, untold, plan(Action.BUILD), layout, done=True)
    monkeypatch.setattr(Server, "most", 9)
    # A day that is stale now would be told with the columns of another pipeline: it waits for its build.
    tell_lineage(destination, untold, plan(Action.KEEP), layout, done=True)
    assert len(Server.taken) == 1
    # Whoever is told to elsewhere has no part in it.
    elsewhere = Untold(layout, parse_destination(f"{server}/elsewhere", Path(), "--lineage"))
    assert not elsewhere.days("skeleton")
    tell_lineage(destination, untold, plan(Action.SKIP), layout, done=True)
    starts = [event["run"]["facets"]["nominalTime"]["nominalStartTime"][:10] for _, _, event in Server.taken]
    assert starts == ["2024-01-01", "2024-01-01", "2024-01-02"]
    assert Server.taken[0][2]["run"]["runId"] == Server.taken[1][2]["run"]["runId"]
    tell_lineage(destination, untold, plan(Action.SKIP), layout, done=True)
    assert len(Server.taken) == 3


BAD = {
    "ftp://host/x": "--lineage: ftp://host/x is neither a file nor the address of a server: write http://host:port",
    "http://user:secret@host": "the address holds a user or a password: give a key in OPENLINEAGE_API_KEY instead",
    "https://host/api?token=secret": "--lineage: the address has a query or a fragment, which is not sent",
    "https://host#part": "--lineage: the address has a query or a fragment, which is not sent",
    "no/events.jsonl": "there is no directory ",
    "http://host:port": "--lineage: http://host:port is no address: Port could not be cast to integer value as 'port'",
    "http://[::1": "--lineage: http://[::1 is no address: Invalid IPv6 URL: write http://host:port",
    ".": "--lineage: . is a directory: give the name of a file, or the address of a server",
}


@pytest.mark.parametrize("text", BAD)
def test_a_destination_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        parse_destination(text, tmp_path, "--lineage")
    assert BAD[text] in str(refused.value)


def test_the_flag_goes_before_runtime_yaml(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(training.root)
    project = training.project.load(lineage="own.jsonl")
    nothing = argparse.Namespace(lineage=None)
    assert str(lineage_destination(project, nothing)) == str(training.root / "own.jsonl")
    flag = argparse.Namespace(lineage="http://host:5000")
    assert str(lineage_destination(project, flag)) == "http://host:5000/api/v1/lineage"
    assert lineage_destination(training.project.load(), nothing) is None


def test_published_days_are_told_where_something_behind_the_run_fails(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_of: list[bool] = []

    def failing(*_: object) -> int:
        raise DayError("the statistics failed")

    for name in ("_check_before_first_day", "require_consent", "_tell_of_damage", "_remember_copies", "warnings_of"):
        monkeypatch.setattr(command, name, lambda *_: ())
    monkeypatch.setattr(command, "wrong_units", lambda *_: ())
    monkeypatch.setattr(command, "lineage_destination", lambda *_: "events.jsonl")
    monkeypatch.setattr(command, "_run", lambda *_: 0)
    monkeypatch.setattr(command, "_finish", failing)
    monkeypatch.setattr(command, "tell_lineage", lambda *_, done: told_of.append(done))
    plan = SimpleNamespace(project=training.project.load(), dag=None, sources=None, plans={}, skeleton=())
    with pytest.raises(DayError, match="the statistics failed"):
        command._train(plan, argparse.Namespace(), ())  # type: ignore[arg-type]
    assert told_of == [True]
