"""What a run has published is found by a later attempt of it, in whichever moment the one before was lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import Fingerprint
from daeda.dataset.publish import publish as publishing
from daeda.dataset.publish.claims import claim_days, holds
from daeda.dataset.publish.publications import publication_of
from daeda.dataset.publish.publish import publish_day
from daeda.dataset.publish.staging import RunStaging, open_staging
from tests.daeda.dataset.test_staging import DAY, content, manifest_of, prepared, publish, runs


class Lost(BaseException):
    """The process of an attempt was killed at this point."""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output" / "service")


@pytest.fixture
def staging(layout: Layout) -> Iterator[RunStaging]:
    with open_staging(layout) as staging:
        claim_days(staging, [("skeleton", DAY)], "fail", tell=print)
        yield staging


def attempt(staging: RunStaging, text: str, name: str, fingerprint: str = "") -> None:
    ready = prepared(staging, text, name)
    manifest = replace(manifest_of(ready), fingerprint=Fingerprint({"scan": fingerprint}, {}, {}))
    publish_day(staging, "skeleton", DAY, ready, manifest)


def parts(layout: Layout) -> tuple[Path, ...]:
    return (layout.day_dir("skeleton", DAY) / part_name(0),)  # type: ignore[return-value]


def paths(staging: RunStaging) -> tuple[object, ...] | None:
    there = publication_of(staging, "skeleton", DAY)
    return None if there is None else there.paths(staging.layout.day_dir("skeleton", DAY))


def test_a_day_that_the_run_has_published_is_found(layout: Layout, staging: RunStaging) -> None:
    assert paths(staging) is None
    attempt(staging, "new", "a")
    assert paths(staging) == parts(layout)


def test_a_day_that_another_run_has_published_is_not(layout: Layout) -> None:
    publish(layout, "old")
    with open_staging(layout) as staging:
        assert paths(staging) is None


def lose_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def lost(*_words: object) -> None:
        raise Lost

    monkeypatch.setattr(publishing, name, lost)


@pytest.mark.parametrize("old", [False, True])
def test_an_attempt_that_was_lost_before_the_move(layout: Layout, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    if old:
        publish(layout, "old")
    with open_staging(layout) as staging:
        claim_days(staging, [("skeleton", DAY)], "fail", tell=print)
        with monkeypatch.context() as lost:
            lose_at(lost, "entries_of" if old else "_sync_directory")
            with pytest.raises(Lost):
                attempt(staging, "lost", "a")
        assert paths(staging) is None
        attempt(staging, "new", "b")
        assert paths(staging) == parts(layout)
    assert content(layout) == "new"


def test_an_attempt_that_was_lost_between_its_record_and_the_move(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(layout, "old")
    with open_staging(layout) as staging:
        claim_days(staging, [("skeleton", DAY)], "fail", tell=print)
        with monkeypatch.context() as lost:

            def rename(_path: Path, _target: Path) -> None:
                raise Lost

            lost.setattr(Path, "rename", rename)
            with pytest.raises(Lost):
                attempt(staging, "lost", "a")
        # What is there is the day of another run, and the claim is still ours.
        assert list(staging.publications.glob("*/*.json"))
        assert paths(staging) is None
        attempt(staging, "new", "b")
    assert content(layout) == "new"


def test_an_attempt_that_was_lost_behind_the_move(
    layout: Layout, staging: RunStaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lost:
        lose_at(lost, "release")
        with pytest.raises(Lost):
            attempt(staging, "new", "a")
    assert holds(staging, "skeleton", DAY)
    assert paths(staging) == parts(layout)
    # What it had left to do is done.
    assert not holds(staging, "skeleton", DAY)


def test_a_day_that_another_run_has_replaced_since_stays_as_it_is(layout: Layout, staging: RunStaging) -> None:
    attempt(staging, "new", "a")
    publish(layout, "of another run")
    assert paths(staging) == parts(layout)
    assert content(layout) == "of another run"


def test_a_day_that_somebody_removed_is_built_again(layout: Layout, staging: RunStaging) -> None:
    attempt(staging, "new", "a")
    shutil.rmtree(layout.day_dir("skeleton", DAY))
    assert paths(staging) is None


@pytest.mark.parametrize("text", ["", "[]", '{"manifest": 1}', "\x00"])
def test_a_record_that_was_written_over_is_none(staging: RunStaging, text: str) -> None:
    attempt(staging, "new", "a")
    (record,) = staging.publications.glob("*/*.json")
    record.write_text(text)
    assert paths(staging) is None


def test_of_two_attempts_at_a_day_the_first_publication_stays(layout: Layout, staging: RunStaging) -> None:
    attempt(staging, "first", "a")
    first = parts(layout)[0].stat().st_ino
    attempt(staging, "first", "b")
    assert parts(layout)[0].stat().st_ino == first
    assert not list(staging.ready.glob("skeleton/*/dt=*"))
    # Of other operators or other inputs it is another day.
    attempt(staging, "second", "c", "another")
    assert content(layout) == "second"


def test_records_go_with_the_run(layout: Layout) -> None:
    with open_staging(layout) as staging:
        attempt(staging, "new", "a")
    assert runs(layout) == []
