"""Commands find the project that they are in, and the runtime file of a service by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.catalog.find import find_runtime
from daeda.catalog.project import ProjectPaths, load_project
from daeda.cli.main import main
from daeda.errors import UsageError
from tests.projects import TinyProject


def second_service(root: Path) -> None:
    """Beside `ranking` a service `clicks` with a runtime.yaml and an aggregations.yaml of its own."""
    made = TinyProject(root / "other").without("item_vector")
    made.service["name"] = made.runtime["service"] = "clicks"
    made.runtime["feed_end"] = "2024-01-02"
    made.aggregations["aggregation_specs"][0]["kind"] = "any"
    made.column("events_1d")["dtype"] = "bool"
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.write()
    target = root / "config/training/clicks"
    target.mkdir()
    for name in ("runtime.yaml", "aggregations.yaml"):
        (root / "other/config/training" / name).rename(target / name)
    (root / "other/feature_services/ranking.yaml").rename(root / "feature_services/clicks.yaml")


def test_a_second_service_beside_the_first_without_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = TinyProject(tmp_path).write().write_data()
    second_service(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "clicks"]) == 0
    assert "events_1d bool" in capsys.readouterr().out
    assert main(["explain", "ranking"]) == 0
    shown = capsys.readouterr().out
    assert "events_1d int64" in shown
    assert main(["explain"]) == 0
    assert capsys.readouterr().out == shown
    assert load_project(ProjectPaths(project.runtime_path)).service.name == "ranking"


def test_a_run_of_a_second_service_from_a_folder_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The halves, which are processes of their own, get the file that was found."""
    TinyProject(tmp_path).write().write_data()
    second_service(tmp_path)
    monkeypatch.chdir(tmp_path / "data/prices")
    assert main(["train", "clicks"]) == 0
    assert capfd.readouterr().out == f"{tmp_path}/output/clicks/skeleton\n"
    assert (tmp_path / "output/clicks/skeleton/dt=2024-01-02").is_dir()
    assert not (tmp_path / "output/clicks/skeleton/dt=2024-01-03").exists()


def test_a_project_is_found_from_below(tmp_path: Path) -> None:
    TinyProject(tmp_path).write()
    below = tmp_path / "data/deep/down"
    below.mkdir(parents=True)
    assert find_runtime("ranking", below) == find_runtime(None, tmp_path) == tmp_path / "config/training/runtime.yaml"


@pytest.mark.parametrize(
    ("service", "files", "message"),
    [
        (None, [], "no project here: neither {root} nor a directory above it has config/training/runtime.yaml: run in "
         "a project, or give its file with --runtime-config-path"),
        (None, ["a/", "b/"], "several services have a runtime.yaml below config/training: name one of 'a', 'b'"),
        ("delay", ["delays/", "b/"], "no runtime.yaml of the service 'delay' below config/training: did you mean "
         "'delays'? Known: b, delays"),
        ("a", ["", "a/"], "config/training/runtime.yaml and config/training/a/runtime.yaml both belong to 'a': keep "
         "one"),
    ],
)  # fmt: skip
def test_what_is_not_found(service: str | None, files: list[str], message: str, tmp_path: Path) -> None:
    for name in files:
        path = tmp_path / f"config/training/{name}runtime.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("service: a\n", "utf-8")
    with pytest.raises(UsageError) as caught:
        find_runtime(service, tmp_path)
    assert str(caught.value) == message.format(root=tmp_path)


def test_the_only_file_by_name_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "config/training/a/runtime.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("service: a\n", "utf-8")
    assert find_runtime(None, tmp_path) == path
