"""What a plan asks of object storage: one listing, and the manifests side by side."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.layout import MANIFEST_NAME, Layout, day_name
from daeda.dataset.manifest import ColumnStatistics, DayName, Fingerprint, Manifest, Part
from daeda.dataset.publish.objects import clear_unfinished
from daeda.dataset.published import look_at_days
from daeda.dataset.stamps import remember_stamps
from daeda.dataset.versions import days_of_lower_versions, versions_there
from daeda.storage.client import S3Client, StoredObject
from daeda.storage.location import ObjectPath
from tests.storage.conftest import BUCKET
from tests.storage.server import Proxy

FIRST = dt.date(2023, 1, 1)
YEAR = tuple(FIRST + dt.timedelta(days=number) for number in range(365))


def manifest(service: str, day: dt.date, body: bytes, etag: str, *columns: ColumnStatistics) -> Manifest:
    part = Part("part-0-0.parquet", 1, len(body), hashlib.sha256(body).hexdigest())
    stamps = {part.name: etag}
    return Manifest(service, "skeleton", str(day), 1, (part,), columns, Fingerprint({}, {}, {}), stamps=stamps)


def put_day(client: S3Client, service: str, day: dt.date, body: bytes, *columns: ColumnStatistics) -> None:
    directory = BUCKET / service / "skeleton" / day_name(day)
    etag = client.put(directory / "part-0-0.parquet", body)
    client.put(directory / MANIFEST_NAME, manifest(service, day, body, etag or "", *columns).to_json().encode())


def publish(client: S3Client, service: str, days: tuple[dt.date, ...]) -> Layout:
    def put(day: dt.date) -> None:
        put_day(client, service, day, b"rows")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, days))
    return Layout(BUCKET / service, Path("/nowhere"))


@pytest.mark.cases
def test_a_year_is_looked_at_with_one_listing_and_its_manifests_side_by_side(
    client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = publish(client, "s", YEAR)
    read, listing = client.read, client.listing
    at_work: set[ObjectPath] = set()
    most = [0]
    asked: list[object] = []

    def watched(path: ObjectPath) -> tuple[bytes, str] | None:
        asked.append(path)
        at_work.add(path)
        most[0] = max(most[0], len(at_work))
        try:
            return read(path)
        finally:
            at_work.discard(path)

    def counted(*arguments: object) -> list[StoredObject]:
        asked.append(arguments)
        return listing(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "read", watched)
    monkeypatch.setattr(client, "listing", counted)
    monkeypatch.setattr(client, "digest", None)
    states = look_at_days(layout, "skeleton", YEAR)
    assert list(states) == list(YEAR)
    assert {state.damage for state in states.values()} == {()}
    assert len(asked) == 1 + len(YEAR)
    assert most[0] > 1


def test_only_the_days_that_are_asked_for_are_listed(client: S3Client, proxy: Proxy) -> None:
    days = YEAR[:8]
    layout = publish(client, "s", days)
    directory = BUCKET / "s/skeleton"
    client.delete(directory / day_name(days[2]) / MANIFEST_NAME)
    client.put(directory / day_name(days[3]) / "part-0-0.parquet", b"other rows")
    client.put(directory / day_name(days[4]) / "part-1-0.parquet", b"of nobody")
    client.put(directory / day_name(days[5]) / "part-0-0.parquet", b"ROWS")
    client.put(directory / day_name(days[6]) / "more/rows.parquet", b"of nobody")
    listed = client.listing(directory, day_name(days[1]), day_name(days[3]))
    assert [str(stored.path.parent.name) for stored in listed] == [day_name(days[n]) for n in (1, 1, 2, 3, 3)]
    proxy.seen.clear()
    states = look_at_days(layout, "skeleton", days[1:7])
    assert {day: state.damage for day, state in states.items()} == {
        days[1]: (),
        days[2]: (),
        days[3]: ("part-0-0.parquet is not the file that was published",),
        days[4]: ("part-1-0.parquet is no part of the published day",),
        days[5]: ("part-0-0.parquet is not the file that was published",),
        days[6]: ("more/rows.parquet is no part of the published day",),
    }
    assert (states[days[2]].manifest, states[days[1]].obstacles) == (None, ())
    assert states[days[6]].obstacles == (
        f"{directory / day_name(days[6])}/more/rows.parquet was not written by daeda, and readers of the day take it "
        "for data: move it elsewhere",
    )


def test_parts_are_digested_where_their_etag_differs_and_once(client: S3Client, proxy: Proxy) -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), written)
    put_day(client, "s", FIRST, written.getvalue(), ColumnStatistics("x", "int64", 0))
    layout = Layout(BUCKET / "s", Path("/nowhere"))
    directory = BUCKET / "s/skeleton" / day_name(FIRST)
    answer = client.read(directory / MANIFEST_NAME)
    assert answer is not None
    text = answer[0].replace(b'"part-0-0.parquet": "', b'"part-0-0.parquet": "of another server ')
    client.put(directory / MANIFEST_NAME, text)
    state = look_at_days(layout, "skeleton", YEAR[:1])[FIRST]
    assert (state.damage, list(state.stamps)) == ((), ["part-0-0.parquet"])
    remember_stamps(layout, DayName("s", "skeleton", FIRST), state.stamps)
    proxy.seen.clear()
    again = look_at_days(layout, "skeleton", YEAR[:1])[FIRST]
    assert (again.damage, again.stamps, len(proxy.seen)) == ((), {}, 2)
    verified = look_at_days(layout, "skeleton", YEAR[:1], verify=True)[FIRST]
    assert (verified.damage, verified.stamps) == ((), {})


def test_a_day_that_is_published_after_the_listing_is_looked_at_again(
    client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = publish(client, "s", YEAR[:1])
    listing = client.listing

    def overtaken(*arguments: str) -> list[StoredObject]:
        listed = listing(*arguments)  # type: ignore[arg-type]
        put_day(client, "s", FIRST, b"more rows")
        return listed

    monkeypatch.setattr(client, "listing", overtaken)
    state = look_at_days(layout, "skeleton", YEAR[:1])[FIRST]
    assert state.manifest is not None
    assert (state.manifest.parts[0].size, state.damage) == (9, ())


def test_what_nobody_published_is_not_cleared(client: S3Client) -> None:
    layout = publish(client, "s", YEAR[:2])
    directory = BUCKET / "s/skeleton"
    client.delete(directory / day_name(YEAR[0]) / MANIFEST_NAME)
    client.put(directory / "notes/readme.txt", b"of the user")
    client.put(directory / day_name(YEAR[0]) / "notes.parquet", b"of the user")
    clear_unfinished(layout)
    assert [stored.path.key.removeprefix(directory.prefix) for stored in client.listing(directory)] == [
        "dt=2023-01-01/notes.parquet", "dt=2023-01-02/_manifest.json", "dt=2023-01-02/part-0-0.parquet",
        "notes/readme.txt",
    ]  # fmt: skip


def test_a_day_of_a_lower_version_is_found_where_it_is_the_greatest(client: S3Client) -> None:
    first = publish(client, "versions", YEAR[:3])
    assert versions_there(first) == (1,)
    for version, day in ((2, YEAR[0]), (10, YEAR[1])):
        place = first.of_version(version).day_dir("skeleton", day)
        assert isinstance(place, ObjectPath)
        etag = client.put(place / "part-0-0.parquet", b"rows")
        client.put(place / MANIFEST_NAME, manifest("versions", day, b"rows", etag or "").to_json().encode())
    assert versions_there(first) == (1, 2, 10)
    found = days_of_lower_versions(first.of_version(11), "skeleton", YEAR[:4])
    assert {day: layout.version for day, (layout, _) in found.items()} == {YEAR[0]: 2, YEAR[1]: 10, YEAR[2]: 1}
    assert not any(there.damage for _, there in found.values())
    assert set(days_of_lower_versions(first.of_version(2), "skeleton", YEAR[:4])) == set(YEAR[:3])
