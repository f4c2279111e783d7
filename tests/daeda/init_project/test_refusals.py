"""What init refuses, in one sentence, with nothing written."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from daeda.cli.main import main
from tests.daeda.init_project import tables

CASES = {
    "missing": ("flihgts.csv", "--from flihgts.csv does not exist: in . there are flights.csv, weather.csv"),
    "pattern": ("*.tsv", "--from *.tsv matches no file: is the pattern right, and quoted?"),
    "empty": ("empty.csv", "--from empty.csv: empty.csv is empty: name files with rows"),
    "format": ("notes.docx", "--from notes.docx: notes.docx is of no format that is read: read are .csv, .tsv, .jsonl, "
               ".ndjson, .json (a document a line) and .parquet, the texts also as .gz"),
    "names alone": ("names.csv", "names.csv has no row that can be read: name files with rows"),
    "no names": ("nameless.csv", "nameless.csv has no line of names: '2024-03-01 10:00' stands in its first line, "
                 "which names the columns: write one above the rows"),
    "one column": ("one.csv", "one.csv has a time and no column that says whose a row is, like user_id, sensor or "
                   "product: add one, whose values come again"),
    "no time": ("cities.csv", "nothing in cities.csv says when a row happened, and training data is made of events in "
                "time: add a column with a time, like 2024-01-31 10:00:00 or seconds since 1970, or name a file "
                "that has one"),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    tables.flights(folder)
    tables.timeless(folder)
    monkeypatch.chdir(folder)
    Path("cities.csv").rename(tmp_path / "cities.csv")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_one_sentence(case: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    word, sentence = CASES[case]
    if case != "missing":
        Path("empty.csv").touch()
        Path("notes.docx").write_text("x")
        Path("names.csv").write_text("user_id,at\n")
        Path("nameless.csv").write_text("2024-03-01 10:00,5\n2024-03-01 11:00,6\n")
        Path("one.csv").write_text("at\n" + "".join(f"2024-03-{day:02} 10:00\n" for day in range(1, 20)))
        (here.parent / "cities.csv").rename("cities.csv")
    assert main(["init", "made", "--from", word, "--yes"]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == f"error: {sentence}"
    assert not Path("made").exists()


def test_nothing_is_overwritten(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("feature_views").mkdir()
    Path("feature_views/weather.yaml").write_text("mine")
    assert main(["init", ".", "--yes", "--no-build"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: feature_views/weather.yaml exists, and init overwrites nothing: name another directory"
    )
    assert sorted(path.name for path in here.iterdir()) == ["feature_views", "flights.csv", "weather.csv"]
    Path("config/training").mkdir(parents=True)
    Path("config/training/runtime.yaml").write_text("service: a")
    assert main(["init", ".", "--yes"]) == 2
    assert capfd.readouterr().err == (
        "error: config/training/runtime.yaml exists: . is a project already, and init overwrites nothing: name another "
        "directory\n"
    )
    assert main(["init", "flights.csv", "--yes"]) == 2
    assert capfd.readouterr().err == (
        "error: flights.csv is no directory: name one that is empty, or that does not exist yet\n"
    )
    Path("config/training/runtime.yaml").unlink()
    Path("feature_views/weather.yaml").unlink()
    assert main(["init", "--yes", "--no-build"]) == 0
    capfd.readouterr()
    assert main(["init", "--yes", "--no-build"]) == 2
    told = capfd.readouterr().err
    assert "init overwrites nothing: name another directory, or, to begin anew, remove what it wrote" in told
    removed = shlex.split(told.partition("rm -r ")[2])
    assert {"config/training/runtime.yaml", "feature_views/flights.yaml", "data/flights"} <= set(removed)
    subprocess.run(["rm", "-r", *removed], check=True)
    assert main(["init", "--yes", "--no-build", "--predict", "dep_delay"]) == 0
    Path("bare").mkdir()
    assert main(["init", "bare", "--yes"]) == 2
    assert (
        "error: there is no file to begin with in bare: name some with --from; read are .csv" in capfd.readouterr().err
    )


ANSWERS = {
    "event: flihgts\n": (
        "a.yaml:1: event: 'flihgts' is none of the answers: did you mean 'flights'? Known: flights, weather"
    ),
    "# mine\ntimes:\n  flights: timehour\n": (
        "a.yaml:3: times.flights: 'timehour' is none of the answers: did you mean 'time_hour'? Known: "
    ),
    "known: {planes: 1h}\n": ("a.yaml:1: known.planes answers no question: Known: flights, weather"),
    "known: {flights: soon}\n": (
        "a.yaml:1: known.flights: 'soon' is neither one of the answers nor a duration like 1h or 1d"
    ),
    "evnt: flights\n": "a.yaml:1: unknown key 'evnt': did you mean 'event'? Known: entity, event, known, ",
    "event: [1]\n": "a.yaml:1: event: ",
}


@pytest.mark.parametrize("text", ANSWERS)
def test_a_wrong_answer_is_told_with_its_line(text: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(text)
    assert main(["init", "made", "--from", "flights.csv", "weather.csv", "--answers", "a.yaml"]) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: {ANSWERS[text].removesuffix(' Known: ')}")
    assert not Path("made").exists()


def test_a_failed_import_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> str:
        raise OSError(28, "No space left on device", "made")

    monkeypatch.setattr("daeda.init_project.create.runtime_yaml", refuse)
    assert main(["init", "made", "--from", "flights.csv", "--yes"]) == 1
    assert "No space left on device" in capfd.readouterr().err
    assert sorted(path.name for path in here.iterdir()) == ["flights.csv", "weather.csv"]
