"""Cases on real engines, in both forms of worker: the bytes of DirectRunner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beam_pipeline.runners.test_same_bytes import check_same_bytes, each_sixth
from tests.budget import CASES_RUN, LONG
from tests.cases.jobs import Entry


@pytest.fixture(scope="module")
def examples(request: pytest.FixtureRequest) -> list[Entry]:
    """The example projects, their days beside those of the golden cases; `make test` has the golden cases alone."""
    if not LONG and not CASES_RUN:
        return []
    request.getfixturevalue("direct_days")
    projects: list[Entry] = request.getfixturevalue("projects")
    assert {"household_ranking", "dssm_ranking"} < {entry.name for entry in projects}
    return projects


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_flink_gives_the_bytes_of_direct_runner(
    flink: tuple[str, ...], forms: dict[str, tuple[str, ...]], examples: list[Entry], golden_once: list[Entry],
    golden_days: Path, tmp_path: Path, form: str,
) -> None:  # fmt: skip
    entries = [*examples, *each_sixth(golden_once, 2)]
    check_same_bytes(entries, golden_days, tmp_path, (*flink, *forms[form], "--parallelism", "2"))


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["external", "loopback"])
def test_prism_gives_the_bytes_of_direct_runner(
    prism: tuple[str, ...], forms: dict[str, tuple[str, ...]], examples: list[Entry], golden_once: list[Entry],
    golden_days: Path, tmp_path: Path, form: str,
) -> None:  # fmt: skip
    entries = [*(examples if LONG else ()), *each_sixth(golden_once, 4)]
    check_same_bytes(entries, golden_days, tmp_path, (*prism, *forms[form]))
