"""An empty path is no path: the variable of a shell that was not set never means the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_pipeline.command import main as skeleton
from beam_pipeline.public_run import open_run
from daeda.cli.main import main
from daeda.errors import InputError
from daeda.planning.export_views import main as export
from daeda_audit.command import main as audit
from enrich.command import main as enrich
from sample_data.generate import main as sample
from tests.daeda.cli.test_bad_input import everything_below
from tests.projects import TinyProject

PROJECT = ("--runtime-config-path", "--aggregation-config-path", "--feature-views-dir", "--feature-services-dir")
TRAIN = ("--output-root", "--duckdb-temp-directory", "--ray-address", "--duckdb-memory-limit", "--day-workers")
COMMANDS = {
    "daeda pipeline train": (main, ["pipeline", "train", "ranking"], (*PROJECT, *TRAIN)),
    "daeda pipeline plan": (main, ["pipeline", "plan", "ranking"], (*PROJECT, "--output-root", "--target-date")),
    "daeda pipeline explain": (main, ["pipeline", "explain", "ranking"], PROJECT),
    "daeda pipeline compile": (main, ["pipeline", "compile", "ranking"], (*PROJECT, "--output-dir")),
    "daeda audit leakage": (main, ["audit", "leakage", "ranking"], (*PROJECT, "--output-root")),
    "python -m beam_pipeline": (skeleton, [], (*PROJECT, "--output-root", "--duckdb-temp-directory")),
    "python -m enrich": (enrich, [], (*PROJECT, "--output-root", "--ray-address")),
    "python -m daeda_audit": (audit, ["ranking"], (*PROJECT, "--output-root")),
    "python -m daeda.planning.export_views": (export, ["ranking", "--view", "items"], (*PROJECT, "--into")),
}  # fmt: skip
CASES = [(prog, flag) for prog, (_, _, flags) in COMMANDS.items() for flag in flags]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    TinyProject(tmp_path).write().write_data()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", ["two words", "one word", "blank"])
@pytest.mark.parametrize(("prog", "flag"), CASES, ids=[" ".join(case) for case in CASES])
def test_a_flag(prog: str, flag: str, form: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, words, _ = COMMANDS[prog]
    given = {"two words": [flag, ""], "one word": [f"{flag}="], "blank": [flag, " \t"]}[form]
    before = everything_below(project)
    assert command([*words, *given]) == 2
    told = capsys.readouterr()
    assert told.err == f"error: {prog}: {flag} is empty: give it a value, or leave it out; is a variable not set?\n"
    assert told.out == ""
    assert everything_below(project) == before


def test_a_service(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "plan", ""]) == 2
    assert capsys.readouterr().err.startswith("error: daeda pipeline plan: SERVICE is empty: ")


PATHS = {
    "DAEDA_OUTPUT_ROOT": "output_root",
    "DAEDA_DATA_ROOT": "data_root",
    "DAEDA_STAGING_ROOT": "staging_root",
    "DAEDA_COMPUTE__DUCKDB_CONFIG__TEMP_DIRECTORY": "temp_directory",
}


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("variable", PATHS)
def test_a_variable(
    variable: str, value: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    before = everything_below(project)
    assert main(["pipeline", "train", "ranking"]) == 2
    assert capsys.readouterr().err == (
        f"error: {variable}: the path is empty: write '.' for the directory that it is relative to\n"
    )
    assert everything_below(project) == before


@pytest.mark.parametrize("path", ["runtime/output_root", "runtime/data_root", "runtime/staging_root",
                                  "views/items/source/path", "aggregations/embedding_stores/0/path"])  # fmt: skip
def test_an_entry_of_a_file(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = TinyProject(tmp_path)
    *parents, last = path.split("/")
    holder = vars(made)
    for part in parents:
        holder = holder[int(part) if part.isdigit() else part]
    holder[last] = " "
    made.write()
    assert main(["pipeline", "plan", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 2
    assert "the path is empty: write '.' for the directory that it is relative to\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["output_root", "staging_root", "data_root"])
def test_a_run_of_ones_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"output_root": "output", name: " "}
    with pytest.raises(InputError) as raised, open_run(service="x", **given):  # type: ignore[arg-type]
        pass
    assert str(raised.value) == f"{name} is empty: give a path, '.' for the working directory"
    assert not everything_below(tmp_path)


def test_the_directory_of_the_sample(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        sample(["--data", ""])
    assert raised.value.code == 2
    assert "error: argument --data: is empty: give a directory, or leave it out" in capsys.readouterr().err


def test_variables_that_a_driver_sets_are_not_taken_from_anybody_else(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAEDA_LIFELINE_FD", "")
    assert skeleton(["--target-date", "no day"]) == 2
    assert capsys.readouterr().err.startswith("error: --target-date 'no day' is not a day: ")
    made = TinyProject(project)
    made.views["items"]["source"] = {"postgres": "environment", "table": "items"}
    made.write()
    monkeypatch.setenv("DAEDA_EXPORTS", "")
    assert main(["pipeline", "plan", "ranking"]) == 2
    assert capsys.readouterr().err == (
        "error: DAEDA_EXPORTS: exports.json is not what a driver exported ([Errno 2] No such file or directory: "
        "'exports.json'): unset the variable, which a driver sets for the halves that it starts\n"
    )


@pytest.mark.parametrize("place", ["/proc/nope", "/proc/self/nope/deeper", "/dev/null", "/dev/null/x", "/sys/nope"])
def test_a_place_where_nothing_can_be_made(place: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything_below(project)
    assert skeleton(["--duckdb-temp-directory", place]) == 2
    spill = capsys.readouterr().err
    assert spill.startswith(f"error: temp_directory {place}: ")
    assert spill.endswith("choose another one (compute.duckdb_config)\n")
    assert main(["pipeline", "train", "ranking", "--skeleton-only", "--output-root", place]) == 2
    output = capsys.readouterr().err
    assert output.splitlines()[-1].startswith(f"error: output root {place}: ")
    assert output.endswith("choose another --output-root\n")
    assert everything_below(project) == before
