"""Import paths: what is found, and one sentence for what is not. The others are in tests/daeda/cli/bad_input."""

from __future__ import annotations

import hashlib
import os
import py_compile
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from daeda.errors import ConfigurationError
from daeda.functions import loading
from daeda.functions.loading import import_from_source, load_function, raised_in

IMPORT = "from daeda.functions.loading import load_function\n"


def test_a_module_of_the_project_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("def mean(values):\n    return values\n")
    with pytest.raises(ConfigurationError) as raised:
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


PROJECT = {
    "coded/__init__.py": '"""Functions."""\n',
    "coded/features.py": (
        "import math\nimport pyarrow as pa\nfrom . import rates\nfrom coded.tables import *\nimport coded_top as top\n"
        "def f(values):\n    from coded import lazy\n    return values\n"
    ),
    "coded/rates.py": "from .deep.bottom import FACTOR\n",
    "coded/tables.py": "LIMITS = {1: 2}\n",
    "coded/lazy.py": "from coded import features\n",
    "coded/deep/bottom.py": "FACTOR = 2\n",
    "coded/nobody.py": "OTHER = 1\n",
    "coded_top.py": "try:\n    import coded_missing\nexcept ImportError:\n    pass\n",
}
# Files whose change may change what the function returns; the others change nothing.
CHANGES = {
    "coded/features.py": True, "coded/rates.py": True, "coded/tables.py": True, "coded/lazy.py": True,
    "coded/deep/bottom.py": True, "coded_top.py": True, "coded/nobody.py": False,
}  # fmt: skip


def code_in_a_process_of_its_own(root: Path, function: str = "coded.features:f") -> str:
    """As a run sees it: Python imports a module once."""
    program = f"{IMPORT}print(load_function({function!r}, {str(root)!r}).code)"
    words = [sys.executable, "-c", program]
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=root).stdout.strip()


def write_modules(root: Path, changed: str = "", more: str = "CHANGED = 1\n") -> Path:
    for name, text in PROJECT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + (more if name == changed else ""))
    return root


def test_the_code_is_also_that_of_the_modules_that_the_project_has_for_it(tmp_path: Path) -> None:
    before = code_in_a_process_of_its_own(write_modules(tmp_path / "a"))
    assert before == code_in_a_process_of_its_own(write_modules(tmp_path / "elsewhere"))
    for name, decides in CHANGES.items():
        after = code_in_a_process_of_its_own(write_modules(tmp_path / name.replace("/", "_"), name))
        assert (after != before) == decides, name
    root = write_modules(tmp_path / "more")
    (root / "coded_missing.py").write_text("FOUND = 1\n")
    assert code_in_a_process_of_its_own(root) != before


def test_a_package_counts_where_it_does_something(tmp_path: Path) -> None:
    before = code_in_a_process_of_its_own(write_modules(tmp_path / "a"))
    said = code_in_a_process_of_its_own(write_modules(tmp_path / "b", "coded/__init__.py", '"""More words."""\n# x\n'))
    done = code_in_a_process_of_its_own(write_modules(tmp_path / "c", "coded/__init__.py", "import os\n"))
    assert before == said != done


def test_installed_modules_do_not_count_wherever_they_are(tmp_path: Path) -> None:
    """An environment below the project root is no part of the project."""
    installed = tmp_path / ".venv/lib/python3.11/site-packages"
    installed.mkdir(parents=True)
    (tmp_path / "own_features.py").write_text("import coded_library\ndef f(values):\n    return values\n")
    codes = []
    for version in (1, 2):
        (installed / "coded_library.py").write_text(f"VERSION = {version}\n")
        program = (
            f"import sys\nsys.path.insert(0, {str(installed)!r})\nfrom daeda.functions.loading import load_function\n"
            f"print(load_function('own_features:f', {str(tmp_path)!r}).code)"
        )
        words = [sys.executable, "-c", program]
        codes.append(subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip())
    assert codes == [hashlib.sha256((tmp_path / "own_features.py").read_bytes()).hexdigest()] * 2


def test_arguments_are_counted_where_the_function_says_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "counted_functions.py").write_text("def any_number(*columns):\n    return columns[0]\n")
    assert load_function("counted_functions:any_number", tmp_path, ("a", "b", "c"))
    assert load_function("pyarrow.compute:add", tmp_path, ("a", "b"))
    with pytest.raises(ConfigurationError, match=r"gets 1 column \(a\): give 'columns' one entry for each argument"):
        load_function("pyarrow.compute:add", tmp_path, ("a",))


def test_what_a_function_raised_is_one_line_with_its_place() -> None:
    with pytest.raises(OSError, match="first") as raised:
        raise OSError("first\nsecond")
    assert raised_in(raised.value) == f"OSError: first (test_load.py:{raised.tb.tb_lineno})"


def test_what_a_module_prints_at_its_import_is_no_answer(tmp_path: Path) -> None:
    source = "import os\nprint('red\\x1b[31m')\nos.system('echo from a shell')\n\n\ndef make(a):\n    return a\n"
    (tmp_path / "prints_much.py").write_text(source, encoding="utf-8")
    # In a process of its own, whose streams nothing else has in its hands.
    program = f"{IMPORT}load_function('prints_much:make', {str(tmp_path)!r}, ('a',))\nprint('the answer')\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "the answer\n"
    assert sorted(done.stderr.splitlines()) == ["from a shell", "red\\x1b[31m"]


def test_a_module_that_only_its_reader_knows_the_way_to_counts(tmp_path: Path) -> None:
    codes = []
    for number in (1, 1, 2):
        (tmp_path / "lib").mkdir(exist_ok=True)
        (tmp_path / "lib/coded_helper.py").write_text(f"FACTOR = {number}\n")
        (tmp_path / "way_features.py").write_text(
            "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\n"
            "import coded_helper\nsys.path.pop(0)\ndef f(values):\n    return values\n"
        )
        codes.append(code_in_a_process_of_its_own(tmp_path, "way_features:f"))
    assert codes[0] == codes[1] != codes[2]


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("listed", "decides"),
    [
        ('__all__ = ["rates"]\n', {"rates": True, "other": False}),
        ('__all__: list[str] = []\n__all__ += ("rates",)\n', {"rates": True, "other": False}),
        ('NAMES = ["rates"]\n__all__ = [*NAMES]\n', {"rates": True, "other": True}),
        ('__all__ = []\n__all__.append("rates")\n', {"rates": True, "other": True}),
        ('globals()["__all__"] = ["rates"]\n', {"rates": True, "other": False}),
        ('globals().update(__all__=["rates"])\n', {"rates": True, "other": True}),
        ("", {"rates": False, "other": False}),
    ],
)  # fmt: skip
def test_what_a_star_imports_counts(listed: str, decides: dict[str, bool], tmp_path: Path) -> None:
    package = tmp_path / "starred"
    package.mkdir()
    (tmp_path / "star_features.py").write_text("from starred import *\ndef f(values):\n    return values\n")
    (package / "__init__.py").write_text(listed)

    def code(changed: str = "") -> str:
        for name in decides:
            (package / f"{name}.py").write_text(f"FACTOR = {2 if name == changed else 1}\n")
        return code_in_a_process_of_its_own(tmp_path, "star_features:f")

    before = code()
    assert {name: code(name) != before for name in decides} == decides


@pytest.mark.parametrize(
    "mode", [py_compile.PycInvalidationMode.TIMESTAMP, py_compile.PycInvalidationMode.UNCHECKED_HASH]
)
def test_bytecode_of_an_earlier_source_is_never_run(mode: py_compile.PycInvalidationMode, tmp_path: Path) -> None:
    """Python takes it for that of a source of its size and second, or of any at all."""
    names = {
        "stale_features": "import stale_helper\ndef f():\n    from stale_package import lazy\n"
        "    return NUMBER, stale_helper.NUMBER, lazy.NUMBER\nNUMBER = 1\n",
        "stale_helper": "NUMBER = 1\n",
        "stale_package/lazy": "NUMBER = 1\n",
    }
    (tmp_path / "stale_package").mkdir()
    for name, text in names.items():
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        stat = file.stat()
        py_compile.compile(str(file), doraise=True, invalidation_mode=mode)
        file.write_text(text.replace("NUMBER = 1", "NUMBER = 2"))
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    program = f"{IMPORT}print(load_function('stale_features:f', {str(tmp_path)!r}).call())"
    words = [sys.executable, "-c", program]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip()
    assert said == "(2, 2, 2)"


def test_other_threads_import_while_a_project_is_kept_from_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days that begin at once in a fresh process: the cache of the import system changes while it is read."""
    monkeypatch.setattr(sys, "path_hooks", list(sys.path_hooks))
    monkeypatch.setattr(sys, "path_importer_cache", {"mine": None, "of a library": None, "gone": None})

    def other_thread(path: str) -> bool:
        sys.path_importer_cache["new"] = None
        sys.path_importer_cache.pop("gone", None)
        return path in ("mine", "gone")

    monkeypatch.setattr(loading, "_hook", lambda path: None)
    monkeypatch.setattr(loading, "_is_of_a_project", other_thread)
    import_from_source()
    assert set(sys.path_importer_cache) == {"of a library", "new"}


def test_a_module_that_changes_while_it_is_imported_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "changing_features.py"
    file.write_text("with open(__file__, 'a') as own:\n    own.write('# more')\ndef f(values):\n    return values\n")
    with pytest.raises(ConfigurationError) as raised:
        load_function("changing_features:f", tmp_path)
    assert str(raised.value) == (
        f"function 'changing_features:f': {file} changed while its module was imported: run again"
    )
