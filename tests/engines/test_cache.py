"""The cache of engines: what is not what was tested is an error; what cannot be had is a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines import cache


def test_other_bytes_than_those_that_were_tested_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "jars.sha256"
    listed.write_text(f"{'0' * 64}  a.jar\n{'0' * 64}  b.jar\n")
    monkeypatch.setattr(cache, "LISTED", listed)
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "a.jar").write_bytes(b"other")
    (jars / "c.jar").write_bytes(b"more")
    with pytest.raises(ValueError, match="of 2 jars, 3 are not what") as failure:
        cache.check_digests(jars)
    assert str(failure.value) == (
        f"{jars}: a.jar, b.jar, c.jar: of 2 jars, 3 are not what {listed} lists: remove the directory to fetch them "
        "again; where they differ then, too, ask who changed them"
    )


def test_without_a_program_the_reason_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ENGINES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(cache.NotToBeHad, match=r"^not on the PATH: java, mvn$"):
        cache.flink_jars(1.5)


def test_a_registry_that_refuses_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go").write_text("#!/bin/sh\necho 'go: refused' >&2\nexit 1\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("ENGINES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(cache.NotToBeHad, match=r"^go: exit code 1: go: refused$"):
        cache.prism(1.5)
    assert not list((tmp_path / "cache").glob("prism-*/prism"))
    assert not (tmp_path / "cache" / f"prism-{cache.PRISM_VERSION}").exists()
