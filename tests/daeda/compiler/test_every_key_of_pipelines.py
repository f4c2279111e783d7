"""Every key of a hand-edited pipeline, with values that do not belong there: one sentence of our own each."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_project
from daeda.compiler.pipeline_file import PipelineModel, pipeline_text
from tests.daeda.settings.test_every_key import NULL, check_values, places

ROOT = Path(__file__).parents[3]
# Keys that have a meaning without a value.
NULL_OF_OPERATORS = NULL | {"created", "latest_by", "lookahead", "lookback", "predicate", "source", "time", "unit"}
# Between them they have operators of all kinds.
PROJECTS = [ROOT, ROOT / "tests/cases/labels", ROOT / "tests/cases/own_function"]


@pytest.mark.parametrize("root", PROJECTS, ids=lambda root: root.name)
def test_a_value_that_does_not_belong_there_is_told_in_our_own_words(root: Path) -> None:
    dag = compile_project(load_project(ProjectPaths(root / "config/training/runtime.yaml")))
    tree = yaml.safe_load(pipeline_text(dag.to_model()))
    seen = set()
    for place in places(tree):
        if place[0] != "operators" or len(place) < 3:
            continue
        operator = tree["operators"][place[1]]
        # One place of each key of each kind of operator.
        shape = (operator["op_kind"], *(part for part in place[2:] if isinstance(part, str)))
        if shape not in seen and "op_kind" not in shape and "defaults" not in shape[:-1]:
            seen.add(shape)
            # Alone, since all others are read anew with each value.
            alone = {**tree, "operators": [operator]}
            check_values(PipelineModel, alone, ("operators", 0, *place[2:]), NULL_OF_OPERATORS)
    assert len(seen) > 40
