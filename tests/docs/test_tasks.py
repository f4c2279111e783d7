"""The pages by task are walked on the project of getting started: each block is copied or run, as a reader would."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import pytest
import yaml

from daeda.cli.main import SHORT, build_parser
from daeda.flags.days import joined
from tests.docs.test_getting_started import BLOCK, PAGE, Walk

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TASKS = ("labels.md", "add-a-feature.md", "several-services.md", "schedule.md", "erasing.md", "coming-from.md")
FIRST = "first-ten-minutes.md"
QUOTING = ("which-kind.md",)
# What a block can be: a file, commands, what they print, or lines for a program of somebody else.
KNOWN = {"yaml", "python", "sh", "text", "crontab"}


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project at the end of getting started, with its data, and nothing built."""
    walk = Walk(tmp_path_factory.mktemp("walked"))
    for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language in ("yaml", "python"):
            walk.copy(text)
    walk.run("python make_data.py; python next_day.py")
    return walk.folder


@pytest.mark.cases
@pytest.mark.parametrize("page", TASKS)
def test_every_block_of_a_task_does_what_the_page_says(project: Path, tmp_path: Path, page: str) -> None:
    folder = shutil.copytree(project, tmp_path / "project")
    walk, printed, ran = Walk(folder), "", 0
    if page in ("add-a-feature.md", "erasing.md"):
        walk.run("daeda train next_purchase")
    for language, text in blocks(page):
        match language:
            case "yaml" | "python":
                walk.copy(text)
            case "sh":
                printed = walk.run(text)
                ran += 1
            case "text":
                assert printed.rstrip().endswith(text.rstrip())
    assert ran > 0


@pytest.mark.cases
def test_the_first_ten_minutes_go_as_the_page_says(tmp_path: Path) -> None:
    walk, printed, shown, commands = Walk(tmp_path), "", 0, 0
    for language, text in blocks(FIRST):
        match language:
            case "yaml" | "python":
                walk.copy(text)
            case "sh":
                printed = walk.run(text)
                # Commands until there is a frame: no editor was opened.
                commands += text.count("\n") if shown == 0 else 0
                if entered := re.search(r"^cd (\w+)$", text, re.MULTILINE):
                    walk = Walk(walk.folder / entered[1])
            case "text":
                assert printed.rstrip().endswith(text.rstrip())
                shown += 1
    assert (shown, commands) == (3, 8)


@pytest.mark.parametrize("page", QUOTING)
def test_what_is_quoted_stands_in_the_example(page: str) -> None:
    for language, text in blocks(page):
        head, _, body = text.partition("\n")
        assert (language, head.startswith("# examples/")) == ("yaml", True)
        assert body in (ROOT / head.removeprefix("# ")).read_text(encoding="utf-8")


def test_every_block_of_the_tasks_is_of_a_kind_that_is_tried() -> None:
    assert {language for page in (FIRST, *TASKS, *QUOTING) for language, _ in blocks(page)} <= KNOWN


def parsed(words: str) -> argparse.Namespace:
    """The words of a command, as the command line reads them."""
    in_full = [*(["pipeline"] if words.split()[0] in SHORT else []), *words.split()]
    return build_parser().parse_strictly(joined(in_full, ("--start", "--end")))


def test_lines_for_cron_are_commands_of_daeda() -> None:
    (table,) = [text for language, text in blocks("schedule.md") if language == "crontab"]
    commands = re.findall(r"^(?:\S+ ){5}cd \S+ && \.venv/bin/daeda (.*?) 2>> \S+$", table, re.MULTILINE)
    assert len(commands) == 2
    assert [parsed(words).service for words in commands] == ["ranking", "ranking"]


def test_the_dag_of_airflow_is_python_with_commands_of_daeda() -> None:
    text = (ROOT / "examples/airflow/training.py").read_text(encoding="utf-8")
    compile(text, "training.py", "exec")
    commands = re.findall(r'bash_command=f"\{DAEDA\} (.*?)"', text)
    assert len(commands) == 2
    assert [parsed(words.replace("{SERVICE}", "ranking")).service for words in commands] == ["ranking", "ranking"]


def test_figures_about_others_are_those_of_the_page_that_compares() -> None:
    rows = [line.split("|")[3:-1] for line in (DOCS / "peers.md").read_text().splitlines() if line.startswith("| ")][1:]
    daeda, feast, feast_default = (sum(row[place].strip() == "equal" for row in rows) for place in (0, 3, 4))
    text = (DOCS / "why.md").read_text()
    assert f"[right in {daeda} of {len(rows)} cases](peers.md)" in text
    assert (
        f"[its DuckDB store is right in {feast} of {len(rows)} cases, its default store in {feast_default}](peers.md)"
        in text
    )


def test_messages_that_are_explained_are_said() -> None:
    said = "\n".join(path.read_text() for path in sorted((ROOT / "tests/daeda/cli/bad_input").glob("*.yaml")))
    text = (DOCS / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \| ", text[: text.index("## A run stops")], re.MULTILINE)
    assert len(messages) > 18
    for message in messages:
        pattern = r"[^\n]*".join(re.escape(piece) for piece in message.split("…"))
        assert re.search(pattern, said), message


def test_the_ten_lines_of_the_first_page_stand_in_the_example() -> None:
    (lines,) = [
        yaml.safe_load(text) for language, text in BLOCK.findall((ROOT / "README.md").read_text()) if language == "yaml"
    ]
    declared = yaml.safe_load((ROOT / "examples/complete_journey/config/training/aggregations.yaml").read_text())
    assert list(lines) == ["aggregation_specs", "label_specs"]
    for section, specs in lines.items():
        assert all(spec in declared[section] for spec in specs)
