"""Days on object storage are extended as local ones are: their parts are fetched, and digested on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_pipeline.day import extend
from daeda.dataset.layout import Dataset, layout_of
from daeda.planning.days import Action
from daeda.storage.client import S3Client
from tests.beam_pipeline.extending import build, manifest
from tests.beam_pipeline.test_extend import DAY, Change, without_vectors
from tests.daeda.compiler.test_identity import add_window
from tests.enrich import test_extending as enriched
from tests.projects import TinyProject


def parts_in(client: S3Client, project: TinyProject, dataset: Dataset = "skeleton") -> dict[str, bytes]:
    directory = layout_of(project.load()).day_dir(dataset, DAY)
    found = {stored.path.name: client.read(stored.path) for stored in client.listing(directory)}  # type: ignore[arg-type]
    return {name: answer[0] for name, answer in found.items() if answer is not None and name.startswith("part-")}


@pytest.mark.parametrize("same", [True, False], ids=["copied", "written anew"])
def test_a_day_on_object_storage_is_extended(
    client: S3Client, tmp_path: Path, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extend, "_of_this_software", lambda manifest: same)
    project = without_vectors(tmp_path)
    build(project, "s3://lake/output")
    before = parts_in(client, project)
    add_window(project)
    (plan,) = build(project, "s3://lake/output")
    assert plan.action is Action.EXTEND
    after = parts_in(client, project)
    assert len(after) == len(before) > 1
    build(project, "again", extend=False)
    local = manifest(project, "again", DAY).parent
    assert after == {name: (local / name).read_bytes() for name in after} != before


@pytest.mark.parametrize("edit", [enriched.add_column, enriched.other_ids], ids=["all vectors", "some of them"])
def test_an_enriched_day_on_object_storage_keeps_vectors(client: S3Client, tmp_path: Path, edit: Change) -> None:
    project = enriched.made(tmp_path)
    output = "s3://lake/enriched"
    build(project, output)
    stores = enriched.enrich(project, output)
    edit(project)
    build(project, output)
    _, plan = enriched.planned(project, stores, output)
    assert plan.extension is not None
    assert plan.extension.vectors == (() if edit is enriched.add_column else ("taste",))
    enriched.enrich(project, output, plan.extension)
    found = parts_in(client, project, "enriched")
    build(project, "again", extend=False)
    enriched.enrich(project, "again")
    directory = tmp_path / f"again/ranking/enriched/dt={DAY}"
    assert found == {path.name: path.read_bytes() for path in directory.glob("part-*")}
    assert list((tmp_path / ".daeda").rglob("enriched-*")) == []
