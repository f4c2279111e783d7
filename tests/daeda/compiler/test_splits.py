"""Splits lie as far apart as labels look ahead, those of hand-edited pipelines too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daeda.compiler.compile import project_dag
from daeda.compiler.edited import edited_path
from daeda.compiler.pipeline_file import pipeline_text
from daeda.errors import ConfigurationError
from tests.daeda.planning.test_maturity import project

TOO_CLOSE = (
    "the splits 'train' (2024-01-01..2024-01-01) and 'test' (2024-01-{first}..2024-01-09) are {days} too close: "
    "'sold' looks {reach} ahead, which takes 2 whole days between them, and there {found}: move them apart, or say "
    "overlapping_labels: allow"
)


@pytest.mark.parametrize(
    ("label", "first", "lacks"),
    [
        ({"window": "2d"}, "04", None),
        ({"window": "2d", "matures_after": "9d"}, "04", None),
        ({"window": "2d"}, "03", {"days": "1 day", "reach": "2d", "found": "is 1"}),
        ({"window": "1d", "gap": "1s"}, "02", {"days": "2 days", "reach": "86401s", "found": "are 0"}),
    ],
)
def test_splits_are_as_far_apart_as_labels_look_ahead(
    tmp_path: Path, label: dict[str, Any], first: str, lacks: dict[str, str] | None
) -> None:
    made = project(tmp_path, label)
    made.service["splits"] = {"test": f"2024-01-{first}..2024-01-09", "train": "2024-01-01"}
    if lacks is None:
        made.write().compile()
        return
    with pytest.raises(ConfigurationError) as refused:
        made.write().compile()
    assert str(refused.value) == f"feature_services/ranking.yaml:28: {TOO_CLOSE.format(first=first, **lacks)}"
    made.service["overlapping_labels"] = "allow"
    made.write().compile()


def test_a_label_that_only_an_expression_reads_counts(tmp_path: Path) -> None:
    made = project(tmp_path, {"window": "2d"})
    made.service["columns"][-1] = {"name": "again", "kind": "derived", "dtype": "bool", "expression": "sold > 0"}
    made.runtime["output_columns"][-1] = "again"
    made.service["splits"] = {"train": "2024-01-01", "test": "2024-01-03"}
    with pytest.raises(ConfigurationError, match="are 1 day too close: 'sold' looks 2d ahead"):
        made.write().compile()


def test_a_hand_edited_pipeline_does_not_pass_it_by(tmp_path: Path) -> None:
    made = project(tmp_path, {"window": "1d"})
    made.service["splits"] = {"train": "2024-01-01", "test": "2024-01-03"}
    loaded = made.write().load()
    text = pipeline_text(made.compile().to_model())
    path = edited_path(loaded)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    project_dag(loaded)
    longer = text.replace("lookahead: 1d", "lookahead: 30h").replace("window: 1d", "window: 30h")
    assert longer != text
    path.write_text(longer, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"ranking.yaml:.*are 1 day too close: 'sold' looks 30h ahead"):
        project_dag(loaded)
