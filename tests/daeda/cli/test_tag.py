"""`daeda tag` and `daeda verify`, as they are called."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from daeda.cli.main import main
from daeda.dataset.layout import Layout
from tests.daeda.cli.test_answers import checked
from tests.daeda.dataset.tables import publish_table
from tests.projects import TinyProject

FIRST, SECOND = dt.date(2024, 1, 2), dt.date(2024, 1, 3)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """The two days of the tiny project."""
    TinyProject(tmp_path).write().write_data()
    made = Layout(tmp_path / "output/ranking")
    for day in (FIRST, SECOND):
        publish_table(made, day, pa.table({"user_id": [1, 42], "friends": [[42], [7]]}))
    monkeypatch.chdir(tmp_path / "config")
    return made


def test_a_tag_from_its_making_to_its_end(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "ranking", "january"]) == 0
    out, said = capfd.readouterr()
    assert out == f"{layout.service_dir}/_tags/january\n"
    assert said.startswith("tag ranking@january: 2 days, 2024-01-02 to 2024-01-03, ")
    assert said.endswith(" KiB, linked: its files are the published ones, and read-only now\n")
    assert main(["tag", "ranking", "one", "--days", "2024-01-03", "--json"]) == 0
    [made] = checked(capfd.readouterr().out, "daeda.tags/1")["tags"]
    assert (made["name"], made["days"], made["datasets"], made["rows"]) == ("one", ["2024-01-03"], ["skeleton"], 2)
    assert main(["tag", "ranking", "other", "--start", "2024-01-02", "--end", "2024-01-02"]) == 0
    capfd.readouterr()
    assert main(["tag", "ranking"]) == 0
    listed = capfd.readouterr().out
    assert [line.split()[0] for line in listed.splitlines() if "2024" in line] == ["january", "one", "other"]
    assert main(["catalog", "tags", "--json"]) == 0
    tags = checked(capfd.readouterr().out, "daeda.catalog/1")["tags"]
    assert [(tag["service"], tag["name"]) for tag in tags] == [
        ("ranking", "january"), ("ranking", "one"), ("ranking", "other"),
    ]  # fmt: skip
    for word in ("ranking", "ranking@january", "ranking@v1"):
        assert main(["verify", word]) == 0
        assert capfd.readouterr().err.endswith(": all as published\n")
    assert main(["tag", "ranking", "january", "--delete"]) == 0
    assert capfd.readouterr() == ("", "tag ranking@january removed\n")


def test_what_is_not_as_published_ends_with_1(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "ranking", "january"]) == 0
    capfd.readouterr()
    part = Path(str(layout.day_dir("skeleton", FIRST))) / "part-0-0.parquet"
    part.chmod(0o600)
    with part.open("r+b") as file:
        file.seek(8)
        file.write(b"\xff")
    for word, directory in (
        ("ranking", part.parent),
        ("ranking@january", layout.of_tag("january").day_dir("skeleton", FIRST)),
    ):
        assert main(["verify", word]) == 1
        out, said = capfd.readouterr()
        assert out == f"{directory}: part-0-0.parquet is not the file that was published\n"
        assert said.endswith(": 1 day not as published\n")
        assert main(["verify", word, "--days", "2024-01-03"]) == 0
        capfd.readouterr()
    assert main(["verify", "ranking@january", "--json"]) == 1
    verified = checked(capfd.readouterr().out, "daeda.verify/1")
    assert (verified["tag"], verified["days"], [one["day"] for one in verified["damaged"]]) == (
        "january",
        2,
        ["2024-01-02"],
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("tag ranking january --days 2024-01-02 --start 2024-01-02",
         "--days names the days, and --start and --end their range: give one or the other"),
        ("tag ranking --days 2024-01-02", "--days belongs to a tag: name it behind the service"),
        ("tag ranking --delete", "--delete belongs to a tag: name it behind the service"),
        ("tag ranking january --delete --days 2024-01-02",
         "--delete removes a whole tag, and a tag never changes: leave out --days"),
        ("tag ranking january --yes", "--yes answers the question of --delete: give both, or neither"),
        ("tag ranking jan/uary", "'jan/uary' cannot name a tag: write at most 64 letters, digits, '.', '_' and '-', a "
         "letter or a digit first"),
        ("tag ranking v2", "'v2' cannot name a tag: SERVICE@v2 is a version of the contract"),
        ("tag ranking january --days 2024-01-03..2024-01-02", "--days '2024-01-03..2024-01-02' ends before it begins: "
         "swap its ends"),
        ("tag ranking january --days x", "--days 'x': 'x' is not a day: write YYYY-MM-DD, today, yesterday, or days "
         "back like -7d (UTC); a range is YYYY-MM-DD..YYYY-MM-DD"),
        ("tag ranking january --days 1000-01-01..2024-01-02", "--days '1000-01-01..2024-01-02' has 374,010 days, and a "
         "range at most 36,525"),
        ("tag ranking january --days 2024-02-01", "ranking: 1 day of the skeleton not published: 2024-02-01: train "
         "them, or choose others with --days, or --start and --end"),
        ("tag ranking january --delete", "ranking has no tag 'january': none exists"),
        ("verify ranking@january", "ranking has no tag 'january': none exists"),
        ("verify ranking@v2", "ranking has no version 2: published are v1"),
        ("verify ranking@", "'ranking@' names no days: write SERVICE, SERVICE@v2 for a version or SERVICE@NAME for a "
         "tag"),
        ("verify rankin", "no feature service 'rankin': did you mean 'ranking'? Known: ranking"),
        ("verify ranking --days 2024-02-01", "ranking has no day 2024-02-01: correct --days, or leave it out"),
        ("verify -- --runner x", "daeda verify takes no flags of Beam: remove what stands behind '--'"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence(layout: Layout, words: str, sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert capfd.readouterr() == ("", f"error: {sentence}\n")
    assert not (Path(str(layout.service_dir)) / "_tags").exists() or not list(
        (Path(str(layout.service_dir)) / "_tags").glob("[!_]*")
    )


def test_nothing_published_is_nothing_verified(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "ranking", "--output-root", "elsewhere"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: no day is published in ")
    assert said.endswith("elsewhere/ranking: correct --output-root, or train\n")


def test_erase_tells_the_version_of_a_tag(layout: Layout, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "ranking", "january"]) == 0
    project = TinyProject(tmp_path)
    project.service["version"] = 2
    project.write()
    capfd.readouterr()
    assert main(["erase", "ranking", "--key", "user_id=42", "--dry-run", "--json"]) == 0
    held = checked(capfd.readouterr().out, "daeda.erase/1")["days"]
    assert {one["version"] for one in held if one["tag"] == "january"} == {1}


def test_erase_looks_into_tags(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "ranking", "january"]) == 0
    capfd.readouterr()
    assert main(["erase", "ranking", "--key", "user_id=42", "--dry-run"]) == 0
    out, said = capfd.readouterr()
    tag = layout.of_tag("january").version_dir
    assert f"{tag}/skeleton/dt=2024-01-02: 1 row, 1 list of friends\n" in out
    assert (
        f"of the tag 'january', remove it with `daeda tag ranking january --delete`: {tag}/skeleton/dt=2024-01-02\n"
        in said
    )
