"""Days that are extended on real engines, in both forms of worker: the bytes of a rebuild."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beam_pipeline.runners.test_extended_days import edited, extended_there

pytestmark = [pytest.mark.long, pytest.mark.parametrize("form", ["loopback", "external"])]


def test_extended_days_on_flink(
    flink: tuple[str, ...], forms: dict[str, tuple[str, ...]], tmp_path: Path, form: str
) -> None:
    extended_there(edited(tmp_path), (*flink, *forms[form], "--parallelism", "2"))


def test_extended_days_on_prism(
    prism: tuple[str, ...], forms: dict[str, tuple[str, ...]], tmp_path: Path, form: str
) -> None:
    extended_there(edited(tmp_path), (*prism, *forms[form]))
