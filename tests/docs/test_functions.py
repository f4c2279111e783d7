"""The page about functions quotes a golden case, which runs on every runner."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.docs.walking import blocks

ROOT = Path(__file__).parents[2]
CASE = ROOT / "tests/cases/own_function"


def test_every_block_of_the_page_stands_in_the_golden_case() -> None:
    shown = [block.text.partition("\n") for block in blocks("docs/functions.md")]
    assert [head for head, _, _ in shown] == [
        "# config/training/aggregations.yaml", "# feature_services/ranking.yaml", "# title_features.py",
    ]  # fmt: skip
    specs, columns, module = (text for _, _, text in shown)
    declared = yaml.safe_load((CASE / "config/training/aggregations.yaml").read_text())["udf_specs"]
    assert yaml.safe_load(specs)["udf_specs"] == declared[:2]
    contract = yaml.safe_load((CASE / "feature_services/ranking.yaml").read_text())["columns"]
    assert all(column in contract for column in yaml.safe_load(columns))
    assert (CASE / "title_features.py").read_text() == module
