"""What other hosts have made below a shared output root is seen at once, whatever a client of NFS believes."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from beam_pipeline.workers.extending import give_up, given_up
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.dataset.layout import Layout
from daeda.dataset.publish.claims import claim_days, release
from daeda.dataset.publish.publications import Publication, has_published
from daeda.dataset.publish.staging import open_staging
from daeda.errors import DayError, Stopped
from tests.stale_names import StaleNames, stale_names

__all__ = ["stale_names"]

DAY = dt.date(2024, 1, 2)
CLAIM = ("skeleton", DAY)


def test_the_client_of_these_tests_believes_what_it_knows(stale_names: StaleNames, tmp_path: Path) -> None:
    path = tmp_path / "made"
    assert not path.exists()
    with stale_names.elsewhere():
        path.mkdir()
    assert not path.exists()


def test_a_stop_by_another_host_is_heard(stale_names: StaleNames, tmp_path: Path) -> None:
    with open_staging(Layout(tmp_path / "service")) as staging:
        here, there = SharedDaySlots(staging.directory, 1).open(), SharedDaySlots(staging.directory, 1)
        here.check()
        assert here.cause is None
        with stale_names.elsewhere():
            there.stop(DayError("no"))
        with pytest.raises(Stopped):
            here.check()
        assert str(here.cause) == "no"


def test_a_day_that_another_host_has_claimed_meanwhile_is_not_free(stale_names: StaleNames, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "service")
    with open_staging(layout) as here, open_staging(layout) as before, open_staging(layout) as meanwhile:
        claim_days(before, [CLAIM], "fail", tell=print)
        with pytest.raises(DayError, match=r"^locked: 2024-01-02"):
            claim_days(here, [CLAIM], "fail", tell=print)
        with stale_names.elsewhere():
            release(before, [CLAIM])
            claim_days(meanwhile, [CLAIM], "fail", tell=print)
        with pytest.raises(DayError, match=r"^locked: 2024-01-02"):
            claim_days(here, [CLAIM], "fail", tell=print)


def test_what_another_host_has_published_or_given_up_is_there(stale_names: StaleNames, tmp_path: Path) -> None:
    with open_staging(Layout(tmp_path / "service")) as staging:
        assert has_published(staging, "skeleton", [DAY]) == frozenset()
        assert given_up(str(staging.directory), [DAY]) == {}
        with stale_names.elsewhere():
            record = json.dumps(asdict(Publication("digest", "fingerprint", ("part-0-0.parquet",), {})))
            (staging.publications / "skeleton" / "dt=2024-01-02.json").write_text(record)
            give_up(str(staging.directory), DAY, "damaged")
        assert has_published(staging, "skeleton", [DAY]) == {DAY}
        assert given_up(str(staging.directory), [DAY]) == {DAY: "damaged"}
