"""Import paths: what is found, and one sentence for what is not. The other sentences are in tests/cli/bad_input."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from daeda.errors import ConfigError
from daeda.functions import load_function, raised_in


def test_a_module_of_the_project_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("def mean(values):\n    return values\n")
    with pytest.raises(ConfigError) as raised:
        load_function("statistics:mean", tmp_path, ("a",))
    assert str(raised.value) == (
        f"function 'statistics:mean': {tmp_path}/statistics.py is hidden by another module 'statistics' "
        f"({statistics.__file__}): rename yours"
    )


def test_the_code_is_the_digest_of_the_source_and_empty_where_there_is_none(tmp_path: Path) -> None:
    package = tmp_path / "package_of_functions"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("def same(values):\n    return values\n")
    (package / "two.py").write_text("def same(values):\n    return values\n")
    (package / "three.py").write_text("def same(values):\n    return values  # as it is\n")
    codes = [load_function(f"package_of_functions.{name}:same", tmp_path).code for name in ("one", "two", "three")]
    assert codes[0] == codes[1] != codes[2]
    assert load_function("math:floor", tmp_path).code == ""
    assert not list(tmp_path.rglob("__pycache__"))


def test_arguments_are_counted_where_the_function_says_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "counted_functions.py").write_text("def any_number(*columns):\n    return columns[0]\n")
    assert load_function("counted_functions:any_number", tmp_path, ("a", "b", "c"))
    assert load_function("pyarrow.compute:add", tmp_path, ("a", "b"))
    with pytest.raises(ConfigError, match=r"gets 1 column \(a\): give 'columns' one entry for each argument"):
        load_function("pyarrow.compute:add", tmp_path, ("a",))


def test_what_a_function_raised_is_one_line_with_its_place() -> None:
    with pytest.raises(OSError, match="first") as raised:
        raise OSError("first\nsecond")
    assert raised_in(raised.value) == f"OSError: first (test_load.py:{raised.tb.tb_lineno})"
