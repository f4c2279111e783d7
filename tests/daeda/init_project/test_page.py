"""docs/init.md is true: the answers of its example are all that there are, and are understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from daeda.cli.main import main
from daeda.init_project.answers import AnswersFile
from tests.daeda.init_project import tables

PAGE = Path(__file__).parents[3] / "docs/init.md"


def test_the_answers_of_the_page_are_all_that_there_are(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```yaml\n(# answers.yaml\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert set(yaml.safe_load(example)) == set(AnswersFile.model_fields)
    (tmp_path / "answers.yaml").write_text(example)
    files = [str(path) for path in tables.flights(tmp_path)]
    words = [
        "init",
        str(tmp_path / "flights"),
        "--from",
        *files,
        "--answers",
        str(tmp_path / "answers.yaml"),
        "--no-build",
    ]
    assert main(words) == 0, capfd.readouterr().err
