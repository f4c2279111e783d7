"""What the audit cannot read is refused by name: it looks at local files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.dataset.layout import Layout
from daeda.errors import NotBuiltYet
from daeda.storage.place import object_path
from daeda_audit.published import published_days
from daeda_audit.raw import RawViews
from tests.projects import TinyProject


def test_days_on_object_storage(tmp_path: Path) -> None:
    with pytest.raises(NotBuiltYet) as raised:
        published_days(Layout(object_path("s3://lake/out/s"), tmp_path), [])
    assert str(raised.value) == (
        "the audit reads local days, and s3://lake/out/s/skeleton is not a local directory: copy the days"
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ({"path": "s3://lake/prices"}, "s3://lake/prices"),
        ({"postgres": "environment", "table": "shop.prices"}, "postgres://environment/shop.prices"),
        ({"ducklake": "lake.ducklake", "table": "prices", "snapshot": 3}, "ducklake://lake.ducklake/prices@3"),
    ],
)
def test_views_elsewhere(tmp_path: Path, source: dict[str, object], shown: str) -> None:
    project = TinyProject(tmp_path)
    project.views["prices"]["source"] = {"timestamp_field": "event_timestamp", **source}
    with pytest.raises(NotBuiltYet) as raised:
        RawViews(project.write().load())["prices"]
    assert str(raised.value) == f"view 'prices': the audit reads local files, and {shown} is not one: copy it first"
