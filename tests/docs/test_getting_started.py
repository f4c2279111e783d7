"""The page is walked as a stranger walks it: each block is copied into an empty folder, and run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.walking import STARTED, Walk, blocks


@pytest.mark.cases
def test_every_block_of_the_page_does_what_the_page_says(tmp_path: Path) -> None:
    walk, page = Walk(tmp_path), blocks(STARTED)
    for block in page:
        walk.block(block)
    assert [block.language for block in page].count("text") == 4
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml"))
    assert files == [
        "config/training/aggregations.yaml",
        "config/training/runtime.yaml",
        "feature_services/next_purchase.yaml",
        "feature_views/purchases.yaml",
    ]
    assert list(tmp_path.glob("output/next_purchase/skeleton/dt=2024-03-03/*.parquet"))
