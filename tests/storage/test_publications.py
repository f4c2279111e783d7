"""What a run has published on object storage is found by a later attempt of it, in whichever moment one was lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daeda.dataset.layout import MANIFEST_NAME, Layout, day_name, part_name
from daeda.dataset.publish import objects, publish
from daeda.dataset.publish.claims import claim_days, holds
from daeda.dataset.publish.publications import publication_of
from daeda.dataset.publish.publish import publish_day
from daeda.dataset.publish.staging import RunStaging, open_staging
from daeda.errors import StorageUnavailable
from daeda.storage.client import S3Client
from tests.daeda.dataset.test_staging import DAY, manifest_of, prepared
from tests.storage.conftest import BUCKET

FINAL = BUCKET / "out/s/skeleton" / day_name(DAY)


class Lost(BaseException):
    """The process of an attempt was killed at this point."""


@pytest.fixture
def staging(client: S3Client, tmp_path: Path) -> Iterator[RunStaging]:
    with open_staging(Layout(BUCKET / "out/s", tmp_path / "scratch")) as staging:
        claim_days(staging, [("skeleton", DAY)], "fail", tell=print)
        yield staging


def attempt(staging: RunStaging, name: str) -> None:
    ready = prepared(staging, "content", name)
    publish_day(staging, "skeleton", DAY, ready, manifest_of(ready))


def paths(staging: RunStaging) -> tuple[object, ...] | None:
    there = publication_of(staging, "skeleton", DAY)
    return None if there is None else there.paths(staging.layout.day_dir("skeleton", DAY))


def is_seen(staging: RunStaging) -> bool:
    return (staging.seen("skeleton") / day_name(DAY) / MANIFEST_NAME).exists()


def lose_at(monkeypatch: pytest.MonkeyPatch, where: object, name: str, error: BaseException) -> None:
    def lost(*_words: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(where, name, lost)


def test_a_day_that_the_run_has_published_is_found_and_stays(staging: RunStaging, client: S3Client) -> None:
    assert paths(staging) is None
    attempt(staging, "a")
    assert paths(staging) == (FINAL / part_name(0),)
    before = client.look(FINAL / MANIFEST_NAME)
    attempt(staging, "b")
    assert client.look(FINAL / MANIFEST_NAME) == before


def test_an_attempt_that_was_lost_before_the_manifest(
    staging: RunStaging, client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lost:
        lose_at(lost, objects, "_stamps_of_arrived", Lost())
        with pytest.raises(Lost):
            attempt(staging, "a")
    assert client.look(FINAL / part_name(0)) is not None
    assert paths(staging) is None
    attempt(staging, "b")
    assert paths(staging) == (FINAL / part_name(0),)


def test_an_attempt_that_got_no_answer_to_its_manifest(
    staging: RunStaging, client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = S3Client.put

    def lost(self: S3Client, path: object, *words: object, **options: object) -> str | None:
        answer = put(self, path, *words, **options)  # type: ignore[arg-type]
        if path == FINAL / MANIFEST_NAME:
            raise StorageUnavailable(f"{path}: no answer")
        return answer

    with monkeypatch.context() as network:
        network.setattr(S3Client, "put", lost)
        with pytest.raises(StorageUnavailable):
            attempt(staging, "a")
    assert not is_seen(staging)
    assert paths(staging) == (FINAL / part_name(0),)
    # The driver sees it, as it sees every day.
    assert is_seen(staging)
    assert not holds(staging, "skeleton", DAY)


def test_an_attempt_that_was_lost_behind_the_manifest(staging: RunStaging, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as lost:
        lose_at(lost, publish, "release", Lost())
        with pytest.raises(Lost):
            attempt(staging, "a")
    assert holds(staging, "skeleton", DAY)
    assert paths(staging) == (FINAL / part_name(0),)
    assert not holds(staging, "skeleton", DAY)
