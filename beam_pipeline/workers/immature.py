"""The days of a run some of whose labels are not mature, as its workers have them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import cast

from beam_pipeline.workers.context import ImmatureLabels
from daeda.compiler.identity import recipes_without_labels
from daeda.compiler.immature import null_columns
from daeda.dataset.identity import Recipes
from daeda.operators.dag import Dag
from daeda.planning.immature import ImmatureDay
from daeda.sql.lower import SourceOperator


def immature_labels(
    days: Mapping[dt.date, ImmatureDay], skeleton: Dag, recipes: Recipes | None
) -> dict[dt.date, ImmatureLabels]:
    """What such days are built by; `recipes` are those of the skeleton's DAG, which lacks no label."""
    # Days that lack the same labels share it.
    known: dict[tuple[str, ...], ImmatureLabels] = {}
    for one in days.values():
        if one.labels not in known:
            without = None if recipes is None else recipes_without_labels(recipes, skeleton, one.labels)
            operators = cast(Mapping[str, tuple[SourceOperator, ...]], one.operators)
            known[one.labels] = ImmatureLabels(one.labels, operators, null_columns(skeleton, one.labels), without)
    return {day: known[one.labels] for day, one in days.items()}
