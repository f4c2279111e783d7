"""`daeda diff`, `tag`, `verify` and `prune` where the days lie on object storage, as they are called."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from daeda.cli.main import main
from daeda.dataset.layout import Layout, layout_of
from daeda.storage.client import S3Client
from tests.daeda.cli.test_answers import checked
from tests.daeda.dataset.tables import publish_table
from tests.daeda.diff.test_command import KINDS, rows
from tests.projects import TinyProject
from tests.storage.conftest import BUCKET
from tests.storage.server import Proxy

BEFORE, FIRST, SECOND = (dt.date(2024, 1, day) for day in (1, 2, 3))
OUT = BUCKET / "out/ranking"


@pytest.fixture
def layout(client: S3Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Version 2 of the tiny project, whose range are two days; one day lies before it, and one is of version 1."""
    project = TinyProject(tmp_path)
    project.service["version"] = 2
    project.runtime |= {"output_root": "s3://lake/out", "staging_root": "staging"}
    made = layout_of(project.write().write_data().load())
    for day in (BEFORE, FIRST, SECOND):
        publish_table(made, day, rows(), kinds=KINDS, rows_per_part=2)
    publish_table(made.of_version(1), FIRST, rows(), kinds=KINDS)
    monkeypatch.chdir(tmp_path)
    return made


def there(client: S3Client) -> list[str]:
    """The directories that hold a published day."""
    keys = [stored.path.key.removeprefix(OUT.prefix) for stored in client.listing(OUT)]
    return sorted(key.removesuffix("/_manifest.json") for key in keys if key.endswith("/_manifest.json"))


def test_what_a_tag_and_the_days_differ_in(
    layout: Layout, client: S3Client, proxy: Proxy, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["tag", "ranking", "before", "--days", "2024-01-01..2024-01-03"]) == 0
    assert capfd.readouterr().out == "s3://lake/out/ranking/_tags/before\n"
    assert main(["verify", "ranking@before"]) == 0
    capfd.readouterr()
    proxy.seen.clear()
    assert main(["diff", "ranking@before", "ranking"]) == 0
    assert "skeleton: 3 days of both, 3 of them the same bytes" in capfd.readouterr().out
    # Manifests alone tell it: no part is read.
    assert [path for method, path in proxy.seen if method == "GET" and "part-" in path] == []
    publish_table(layout, FIRST, rows(None), kinds=KINDS, rows_per_part=3)
    publish_table(layout, SECOND, rows(users=(1, 2, 2)), kinds=KINDS, rows_per_part=2)
    assert main(["diff", "ranking@before", "ranking", "--html", "diff.html"]) == 1
    assert capfd.readouterr().out == (
        "here: ranking@before\nthere: ranking v2\nskeleton: 3 days of both, 1 of them the same bytes\n"
        "8 rows paired by user_id, event_timestamp, 1 of them with other values\n"
        "1 row only here, on 2024-01-03\n"
        "  2024-01-03  user_id=1 event_timestamp=2024-01-02 03:00:00.000000\n"
        "1 row only there, on 2024-01-03\n"
        "  2024-01-03  user_id=2 event_timestamp=2024-01-02 03:00:00.000000\n"
        "  why: nothing that was recorded changed\n"
        "1 column with other values:\n"
        "  price: 1 row (12.50%); 1 NULL there, on 2024-01-02\n"
        "    why: nothing that was recorded changed\n"
        "    2024-01-02  user_id=2 event_timestamp=2024-01-02 03:00:00.000000: 1.5 here, NULL there\n"
        "they differ\n"
    )
    assert "1.5" in (tmp_path / "diff.html").read_text("utf-8")
    # Directories of the bucket are sides too, and one day may be compared with another.
    words = ["s3://lake/out/ranking/v2/skeleton/dt=2024-01-01", "s3://lake/out/ranking/_tags/before/skeleton"]
    assert main(["diff", words[0], f"{words[1]}/dt=2024-01-02"]) == 0
    capfd.readouterr()
    assert main(["diff", "s3://lake/out/ranking/v2", words[1], "--json"]) == 1
    document = checked(capfd.readouterr().out, "daeda.diff/1")
    assert (document["changed"], document["same_bytes"]) == (1, ["2024-01-01"])


def test_a_side_that_is_not_as_published_is_refused(
    layout: Layout, client: S3Client, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", "ranking", "before"]) == 0
    publish_table(layout, FIRST, rows(None), kinds=KINDS)
    client.put(OUT / "_tags/before/skeleton/dt=2024-01-02/part-0-0.parquet", b"garbage")
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking"]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert main(["verify", "ranking@before"]) == 1
    assert "part-0-0.parquet is not the file that was published" in "".join(capfd.readouterr())


def test_what_nobody_needs_is_removed(layout: Layout, client: S3Client, capfd: pytest.CaptureFixture[str]) -> None:
    every = ["skeleton/dt=2024-01-02", *(f"v2/skeleton/dt=2024-01-0{day}" for day in (1, 2, 3))]
    assert there(client) == every
    client.put(OUT / "v2/_statistics/skeleton/dt=2024-01-01.json", b"{}")
    assert main(["prune", "ranking", "--dry-run"]) == 0
    out, said = capfd.readouterr()
    lines = [line.split(": ") for line in out.splitlines()]
    assert [(line[0], line[1].rpartition(", ")[0], line[2]) for line in lines] == [
        ("s3://lake/out/ranking/skeleton", "1 day, 2024-01-02", "of version 1"),
        ("s3://lake/out/ranking/v2/skeleton", "1 day, 2024-01-01", "outside of the range"),
    ]
    assert said.endswith("; nothing was removed\n")
    assert there(client) == every
    # What a tag needs stays, and so does what somebody else has put into a day.
    assert main(["tag", "ranking", "old", "--days", "2024-01-01"]) == 0
    client.put(OUT / "skeleton/dt=2024-01-02/notes.txt", b"x")
    capfd.readouterr()
    assert main(["prune", "ranking", "--yes"]) == 0
    assert "notes.txt was not written by daeda: move it elsewhere" in capfd.readouterr().err
    assert there(client) == ["_tags/old/skeleton/dt=2024-01-01", *every][-5:]
    client.delete(OUT / "skeleton/dt=2024-01-02/notes.txt")
    assert main(["tag", "ranking", "old", "--delete"]) == 0
    assert main(["prune", "ranking", "--yes", "--json"]) == 0
    answered = checked(capfd.readouterr().out, "daeda.prune/1")
    assert [one["why"] for one in answered["things"]] == ["of version 1", "outside of the range"]
    assert there(client) == every[2:]
    left = [stored.path.key for stored in client.listing(OUT)]
    assert [key for key in left if "2024-01-01" in key or ("/skeleton/dt=2024-01-02/" in key and "v2" not in key)] == []
    assert main(["prune", "ranking", "--dry-run"]) == 0
    assert capfd.readouterr().err.endswith("ranking v2: nothing to remove\n")
