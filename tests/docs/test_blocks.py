"""Every block of every page is tried by a test, which is named here; nothing stands aside as indented text."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.test_commands import PAGES as READ
from tests.docs.test_quotes import QUOTING
from tests.docs.test_tasks import TASKS
from tests.docs.walking import PAGES, ROOT, STARTED, blocks

WALKED = "tests/docs/test_tasks.py::test_every_block_of_a_task_does_what_the_page_says"
COMMANDS = "tests/docs/test_commands.py::test_each_command_is_read"
QUOTED = "tests/docs/test_quotes.py::test_lines_that_are_quoted_stand_in_the_file_that_is_named"
# Page and language of blocks, and the test that tries all of them.
TRIED = {
    **{(page, language): WALKED for page in TASKS for language in ("yaml", "python", "sh", "text")},
    **{(page, language): QUOTED for page in QUOTING for language in ("yaml", "python")},
    **{(page, "sh"): COMMANDS for page in READ},
    **{
        (page, language): test
        for page, languages, test in (
            (
                STARTED, "yaml python sh text",
                "tests/docs/test_getting_started.py::test_every_block_of_the_page_does_what_the_page_says",
            ),
            (
                "docs/first-ten-minutes.md", "yaml python sh text",
                "tests/docs/test_tasks.py::test_the_first_ten_minutes_go_as_the_page_says",
            ),
            (
                "README.md", "yaml",
                "tests/docs/test_quotes.py::test_the_ten_lines_of_the_first_page_stand_in_the_example",
            ),
            ("docs/tour.md", "console", "tests/docs/test_tour.py::test_the_page_is_what_the_commands_answer"),
            ("docs/schedule.md", "crontab", "tests/docs/test_commands.py::test_lines_for_cron_are_commands_of_daeda"),
            (
                "docs/engines/flink.md", "yaml",
                "tests/docs/test_commands.py::test_settings_of_flink_are_among_those_that_are_tested",
            ),
            ("docs/storage.md", "yaml", "tests/docs/test_quotes.py::test_settings_of_storage_are_settings"),
            ("docs/resources.md", "text", "tests/docs/test_quotes.py::test_sentences_about_the_envelope_are_said_so"),
            (
                "docs/functions.md", "yaml python",
                "tests/docs/test_functions.py::test_every_block_of_the_page_stands_in_the_golden_case",
            ),
            (
                "docs/init.md", "yaml",
                "tests/daeda/init_project/test_page.py::test_the_answers_of_the_page_are_all_that_there_are",
            ),
            ("docs/reading.md", "python", "tests/daeda_data/test_examples.py::test_the_first_lines_of_the_page"),
            (
                "docs/loader.md", "python",
                "tests/daeda_data/loader/test_page.py::test_every_block_does_what_the_page_says",
            ),
        )
        for language in languages.split()
    },
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_each_block_is_tried(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = blocks(page)
    assert [block.language for block in found if (page, block.language) not in TRIED] == []
    # Each fence belongs to a block that names its language, and code that is only indented would be tried by nobody.
    assert len(re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found)
    assert re.findall(r"\n\n    .*", re.sub(r"(?ms)^```.*?^```$", "", text)) == []


@pytest.mark.parametrize("test", sorted(set(TRIED.values())))
def test_a_test_that_is_named_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
