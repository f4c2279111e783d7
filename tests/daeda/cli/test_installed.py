"""A half that is not installed is told in one sentence, before anything is done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from beam_pipeline.command import main as skeleton
from daeda.cli.main import main
from daeda.installed import install_command
from daeda_audit.command import main as audit
from enrich.command import main as enrich
from tests.daeda.cli.test_bad_input import everything_below
from tests.projects import TinyProject


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and the working directory."""
    TinyProject(tmp_path).write().write_data()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without(patch: pytest.MonkeyPatch, *modules: str) -> None:
    for name in modules:
        # What has no entry but None counts as not installed.
        patch.setitem(sys.modules, name, None)


def test_the_skeleton_without_beam(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "apache_beam")
    before = everything_below(root)
    assert main(["pipeline", "train", "ranking"]) == 2
    told = capsys.readouterr()
    assert told.err == (
        "error: the skeleton needs apache_beam, not installed here: install the extra with "
        f"`{install_command('beam')}`\n"
    )
    assert (told.out, everything_below(root)) == ("", before)


def test_the_enrichment_without_ray_is_told_before_the_skeleton_starts(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "ray", "lance")
    sentence = (
        "error: the enrichment needs ray, lance, not installed here: install the extra with "
        f"`{install_command('ray')}`\n"
    )
    before = everything_below(root)
    assert main(["pipeline", "train", "ranking"]) == 2
    assert capsys.readouterr().err == sentence
    assert enrich([]) == 2
    assert capsys.readouterr().err == sentence
    assert everything_below(root) == before


def test_an_audit_without_vectors_does_without_lance(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "lance")
    assert audit(["ranking"]) == 2
    assert "holds no published day" in capsys.readouterr().err


def test_the_polars_engine_without_polars(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAEDA_COMPUTE__ENGINE", "polars")
    without(monkeypatch, "polars")
    sentence = (
        "error: the rolling engine polars needs polars, not installed here: install the extra with "
        f"`{install_command('polars')}`\n"
    )
    before = everything_below(root)
    assert main(["pipeline", "train", "ranking", "--skeleton-only"]) == 2
    assert capsys.readouterr().err == sentence
    assert skeleton([]) == 2
    assert capsys.readouterr().err == sentence
    assert everything_below(root) == before
