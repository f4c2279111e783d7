"""Days that are not as they were published, from the plan that names them to the run that mends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.cli.main import main
from tests.daeda.cli.test_consent import Terminal
from tests.projects import TinyProject


def test_what_is_not_as_published_is_named_by_the_plan_and_mended_by_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = TinyProject(tmp_path).without("item_vector")
    del project.base["vector_dim"]
    project.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    project.write().write_data()
    words = ["ranking", "--runtime-config-path", str(project.runtime_path)]
    days = [tmp_path / "output/ranking/skeleton" / name for name in ("dt=2024-01-02", "dt=2024-01-03")]
    assert main(["pipeline", "train", *words]) == 0
    wanted = {path: path.read_bytes() for day in days for path in day.glob("*.parquet")}

    with (days[0] / "part-0-0.parquet").open("r+b") as file:
        file.write(b"DAMAGED!")
    (days[1] / "part-7-0.parquet").write_bytes(b"of an older run")
    capfd.readouterr()
    assert main(["pipeline", "plan", *words]) == 0
    plan = " ".join(capfd.readouterr().out.replace("│", " ").split())
    assert "2024-01-02 stale: rebuild 6 part-0-0.parquet is not the file that was published" in plan
    assert "2024-01-03 stale: rebuild 6 part-7-0.parquet is no part of the published day" in plan

    # On a terminal nothing that is published is replaced without a yes.
    damaged = {path: path.read_bytes() for day in days for path in day.iterdir()}
    with monkeypatch.context() as terminal:
        terminal.setattr("sys.stdin", Terminal("\n"))
        terminal.setattr("sys.stderr.isatty", lambda: True, raising=False)
        assert main(["pipeline", "train", *words]) == 1
    assert capfd.readouterr().err.splitlines()[-2].startswith("published and stale: 2024-01-02, 2024-01-03; the first")
    assert {path: path.read_bytes() for day in days for path in day.iterdir()} == damaged

    assert main(["pipeline", "train", *words]) == 0
    told = capfd.readouterr().err
    assert (
        "warning: skeleton 2024-01-02: part-0-0.parquet is not the file that was published: the day is built anew"
        in told
    )
    assert {path: path.read_bytes() for day in days for path in day.glob("*.parquet")} == wanted

    (days[1] / "notes.txt").write_text("of the user")
    assert main(["pipeline", "train", *words]) == 2
    assert capfd.readouterr().err.strip() == (
        f"error: {days[1]}/notes.txt was not written by daeda, and readers of the day take it for data: move it "
        "elsewhere"
    )
    (days[1] / "notes.txt").unlink()

    # A damaged manifest says which key is wrong; the plan verifies on demand.
    manifest = days[0] / "_manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 2', '"rows": 1e999', 1))
    capfd.readouterr()
    assert main(["pipeline", "plan", "--verify", *words]) == 0
    assert "_manifest.json: rows: input should" in " ".join(capfd.readouterr().out.replace("│", " ").split())
    assert main(["pipeline", "train", *words]) == 0
    assert {path: path.read_bytes() for day in days for path in day.glob("*.parquet")} == wanted
