"""What stands for the code of a module: its source, and that of the modules of the project that it imports.

Installed packages are left out, as the versions of libraries are, and so is what is imported by a name that is made at
run time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import pkgutil
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path

from daeda.storage.regular import file_digest, read_regular

_INSTALLED = frozenset(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_PACKAGES = frozenset({"site-packages", "dist-packages"})
# Of daeda itself versions decide nothing, also where it is installed as a link to its sources.
_OURS = Path(__file__).resolve().parents[2]
_OWN = tuple(
    _OURS / name
    for name in (
        "daeda",
        "beam_pipeline",
        "enrich",
        "daeda_audit",
        "daeda_data",
        "daeda_preview",
        "daeda_python",
        "daeda_report",
    )
)


# A file, and its digest.
Source = tuple[Path, str]


def sources_of(name: str) -> dict[str, Source]:
    """The files that stand for the code of a module, its own among them, by name of the module.

    Nothing is imported. None stands for a module of a library without a Python source. What only a directory holds that
    the module itself adds to `sys.path` is there once it has been imported.
    """
    own = _file_of(name)
    if own is None or (own.suffix != ".py" and is_installed(own)):
        return {}
    files = {**_needed(name, own), name: own}
    return {module: (file, file_digest(file)) for module, file in sorted(files.items())}


def digest_of(name: str, sources: Mapping[str, Source]) -> str:
    """The digest of a module with these `sources_of`: of its file, if that is all; empty for none."""
    if not sources:
        return ""
    digest = sources[name][1]
    needed = {module: digest for module, (_, digest) in sources.items() if module != name}
    if not needed:
        return digest
    return hashlib.sha256(json.dumps({"module": digest, "needs": needed}, sort_keys=True).encode()).hexdigest()


def _needed(name: str, own: Path) -> dict[str, Path]:
    """The files of the project that are imported on the way to a module and by it, by name of the module."""
    files: dict[str, Path] = {}
    waiting = [*_parents(name), *_imported(name, own)]
    seen = {name}
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        file = _file_of(module)
        if file is None or is_installed(file):
            continue
        if file.name != "__init__.py" or _does_something(file):
            files[module] = file
        waiting += [*_parents(module), *_imported(module, file)]
    return files


def _parents(name: str) -> Iterator[str]:
    """The packages that Python imports before the module."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _imported(name: str, file: Path) -> Iterator[str]:
    """The names in the import statements of a module, wherever they stand; a name may be one of a module or in one."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
                for alias in node.names:
                    yield from _below(base) if alias.name == "*" else (f"{base}.{alias.name}",)


def _below(package: str) -> Iterator[str]:
    """The modules of a package that `import *` may import: those that its `__all__` names.

    Where that is no plain list of names, or is also made elsewhere, it may be each module of the package.
    """
    file = _file_of(package)
    if file is None or file.name != "__init__.py" or is_installed(file):
        return
    tree = _tree(file)
    mentions = [node for node in ast.walk(tree) if _mentions_all(node)]
    if not mentions:
        return
    lists = [
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
        and any(map(_mentions_all, ast.walk(statement)))
        and statement.value is not None
    ]
    names = [
        item.value
        for value in lists
        if isinstance(value, ast.List | ast.Tuple)
        for item in value.elts
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    ]
    items = [len(value.elts) if isinstance(value, ast.List | ast.Tuple) else -1 for value in lists]
    if len(lists) != len(mentions) or -1 in items or sum(items) != len(names):
        names = [module.name for module in pkgutil.iter_modules([str(file.parent)])]
    yield from (f"{package}.{name}" for name in names)


def _mentions_all(node: ast.AST) -> bool:
    """Whether a node is the name `__all__`, as a variable, an attribute, a string or of an import."""
    return "__all__" in (
        getattr(node, "id", ""),
        getattr(node, "attr", ""),
        getattr(node, "value", ""),
        *(getattr(node, name, "") for name in ("name", "asname", "arg")),
    )


def _does_something(package: Path) -> bool:
    """Whether the file of a package holds more than a docstring."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in _tree(package).body
    )


def _tree(file: Path) -> ast.Module:
    """The source as Python reads it; nothing of what is no source, or none that can be read: the import says so."""
    try:
        return ast.parse(read_regular(file)) if file.suffix == ".py" else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return ast.Module([], [])


def _file_of(name: str) -> Path | None:
    """The file of a module, as an import would find it; None for what has none, or is no module."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top)
        directories = list(spec.submodule_search_locations or ()) if spec is not None else []
    except (ImportError, ValueError):
        return None
    for part in rest.split(".") if rest else ():
        spec, directories = _find_below(directories, part)
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    file = Path(spec.origin)
    return file if file.is_file() else None


def _find_below(directories: list[str], part: str) -> tuple[ModuleSpec | None, list[str]]:
    """A module of a package that lies in these directories, and the directories of its own modules.

    Python's own finder asks the packages above for their path, and so imports them.
    """
    without_file: list[str] = []
    for directory in directories:
        finder = pkgutil.get_importer(directory)
        spec = finder.find_spec(part) if finder is not None else None
        if spec is not None and spec.loader is not None:
            return spec, list(spec.submodule_search_locations or ())
        if spec is not None:
            without_file += spec.submodule_search_locations or ()
    return None, without_file


def is_installed(file: Path) -> bool:
    """Whether a file or directory belongs to Python, to an installed package, or to daeda."""
    resolved = file.resolve()
    return bool(_PACKAGES.intersection(file.parts)) or any(
        resolved.is_relative_to(directory) for directory in (*_INSTALLED, *_OWN)
    )
