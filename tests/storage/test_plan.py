"""What a plan asks of object storage: one listing, and the manifests side by side."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daeda.dataset.layout import MANIFEST_NAME, Layout, day_name
from daeda.dataset.manifest import Fingerprint, Manifest, Part
from daeda.dataset.published import look_at_days
from daeda.storage.client import S3Client, StoredObject
from tests.storage.conftest import BUCKET
from tests.storage.server import Proxy

FIRST = dt.date(2023, 1, 1)
YEAR = tuple(FIRST + dt.timedelta(days=number) for number in range(365))


def manifest(day: dt.date, size: int = 4) -> Manifest:
    return Manifest(
        "s", "skeleton", str(day), 1, (Part("part-0-0.parquet", 1, size, "0"),), (), Fingerprint({}, {}, {})
    )


def publish(client: S3Client, service: str, days: tuple[dt.date, ...]) -> Layout:
    def put(day: dt.date) -> None:
        place = BUCKET / service / "skeleton" / day_name(day)
        client.put(place / "part-0-0.parquet", b"rows")
        client.put(place / MANIFEST_NAME, manifest(day).to_json().encode())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, days))
    return Layout(BUCKET / service, Path("/nowhere"))


def test_a_year_is_looked_at_with_one_listing_and_its_manifests_side_by_side(client: S3Client, proxy: Proxy) -> None:
    layout = publish(client, "s", YEAR)
    proxy.seen.clear()
    # One after another these would take 7 s.
    slow = proxy.fail("slow", 1000, lambda method, path: path.endswith(MANIFEST_NAME), seconds=0.02)
    began = time.monotonic()
    found = look_at_days(layout, "skeleton", YEAR)
    seconds = time.monotonic() - began
    assert list(found) == list(YEAR)
    assert {one.unlike for one in found.values()} == {()}
    assert slow.hits == len(YEAR)
    assert len(proxy.seen) == 1 + len(YEAR)
    assert seconds < 3.5, seconds


def test_only_the_days_that_are_asked_for_are_listed(client: S3Client, proxy: Proxy) -> None:
    days = YEAR[:6]
    layout = publish(client, "s", days)
    client.delete(BUCKET / "s/skeleton" / day_name(days[2]) / MANIFEST_NAME)
    client.put(BUCKET / "s/skeleton" / day_name(days[3]) / "part-0-0.parquet", b"other rows")
    client.put(BUCKET / "s/skeleton" / day_name(days[4]) / "part-1-0.parquet", b"of nobody")
    listed = client.listing(BUCKET / "s/skeleton", day_name(days[1]), day_name(days[3]))
    assert [str(one.path.parent.name) for one in listed] == [day_name(days[n]) for n in (1, 1, 2, 3, 3)]
    found = look_at_days(layout, "skeleton", days[1:5])
    assert {day: one.unlike for day, one in found.items()} == {
        days[1]: (), days[3]: ("part-0-0.parquet",), days[4]: (),
    }  # fmt: skip


def test_a_day_that_is_published_after_the_listing_is_looked_at_again(
    client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = publish(client, "s", YEAR[:1])
    place = BUCKET / "s/skeleton" / day_name(FIRST)
    listing = client.listing

    def overtaken(*arguments: str) -> list[StoredObject]:
        found = listing(*arguments)  # type: ignore[arg-type]
        client.put(place / "part-0-0.parquet", b"more rows")
        client.put(place / MANIFEST_NAME, manifest(FIRST, 9).to_json().encode())
        return found

    monkeypatch.setattr(client, "listing", overtaken)
    found = look_at_days(layout, "skeleton", YEAR[:1])
    assert (found[FIRST].manifest.parts[0].size, found[FIRST].unlike) == (9, ())
