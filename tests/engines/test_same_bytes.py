"""Cases on real engines, in both forms of worker: the bytes of DirectRunner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beam_pipeline.runners.test_same_bytes import check_same_bytes, each_sixth
from tests.budget import LONG
from tests.cases.jobs import Entry

pytestmark = pytest.mark.cases


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_flink_gives_the_bytes_of_direct_runner(
    flink: tuple[str, ...], forms: dict[str, tuple[str, ...]], projects: list[Entry], golden_once: list[Entry],
    direct_days: Path, tmp_path: Path, form: str,
) -> None:  # fmt: skip
    entries = [*projects, *each_sixth(golden_once, 2)]
    assert {"household_ranking", "dssm_ranking"} < {entry.name for entry in entries}
    check_same_bytes(entries, direct_days, tmp_path, (*flink, *forms[form], "--parallelism", "2"))


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["external", "loopback"])
def test_prism_gives_the_bytes_of_direct_runner(
    prism: tuple[str, ...], forms: dict[str, tuple[str, ...]], projects: list[Entry], golden_once: list[Entry],
    direct_days: Path, tmp_path: Path, form: str,
) -> None:  # fmt: skip
    entries = [*(projects if LONG else ()), *each_sixth(golden_once, 4)]
    check_same_bytes(entries, direct_days, tmp_path, (*prism, *forms[form]))
