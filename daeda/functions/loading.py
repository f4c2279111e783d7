"""A user's own functions, named by import path: found, checked, and told apart by the source of their module.

Modules are looked for among what is installed, and then below the project root, which goes to the end of `sys.path`: a
file of a project never hides a library.

Modules of a project are imported from their sources alone. Python runs what `__pycache__` holds where the second and
the size of a source are as they were; an edit within the second that leaves the size alone would be digested, and not
run.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from daeda.errors import ConfigurationError, counted, cut, did_you_mean, shortened
from daeda.functions.code import Source, digest_of, is_installed, sources_of
from daeda.functions.interference import stdout_on_stderr, undisturbed
from daeda.process.interrupts import check_not_stopped
from daeda.process.supervised import user_code

# Digest of each module's code as it was when daeda imported it; a file that is edited later changes neither.
_codes: dict[str, str] = {}
_lock = threading.Lock()
_MOST_MESSAGE = 300


@dataclass(frozen=True)
class Function:
    """A function at work. `code` stands for its module and for what that imports: see `function_code`."""

    path: str
    call: Callable[..., object]
    code: str


def load_function(
    path: str, root: str | Path = "", columns: tuple[str, ...] = (), seconds: float | None = None
) -> Function:
    """Import the function of `package.module:function`; `root` is the project root, or empty for none.

    The import has so many seconds, where a supervisor looks at the clock. With `columns` the function has to take as
    many arguments. Raises ConfigurationError with one sentence when the module or the function does not exist, cannot
    be imported or called, or takes another number of arguments.
    """
    name, _, attribute = path.partition(":")
    with _lock, _no_bytecode():
        module = _import(path, name, str(root), seconds)
    known = [public for public, value in vars(module).items() if callable(value) and not public.startswith("_")]
    if not hasattr(module, attribute):
        raise ConfigurationError(
            f"function '{path}': the module '{name}' has no '{attribute}': {did_you_mean(attribute, known)}"
        )
    call = getattr(module, attribute)
    if not callable(call):
        raise ConfigurationError(
            f"function '{path}': '{attribute}' is of type {type(call).__name__} and no function: "
            f"{did_you_mean(attribute, known)}"
        )
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        raise ConfigurationError(f"function '{path}' is async, and nothing awaits it: write it with 'def'")
    if columns:
        _check_arguments(path, call, columns)
    return Function(path, call, _codes[name])


def raised_in(error: BaseException) -> str:
    """An exception of a user's code in one line: its type, its message, and the line that raised it.

    >>> raised_in(ValueError("no title"))
    'ValueError: no title'
    """
    kind = cut(type(error).__name__)
    message = cut(_message(error).partition("\n")[0], _MOST_MESSAGE)
    text = f"{kind}: {message}" if message else kind
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return text if trace is None else f"{text} ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - the text of an exception is code of the user, too
        return "an exception whose text cannot be shown"


@contextlib.contextmanager
def _no_bytecode() -> Iterator[None]:
    """Import without leaving a __pycache__ in the project: what is checked and refused has written nothing."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _import(path: str, name: str, root: str, seconds: float | None) -> ModuleType:
    if root and root not in sys.path:
        sys.path.append(root)
    # The project's file may be younger than what the import system has cached of its directory.
    importlib.invalidate_caches()
    raised = ""
    what = f"function '{path}': the import of its module '{name}'"
    try:
        sources = sources_of(name) if name not in _codes else None
        import_from_source()
        with (
            stdout_on_stderr(),
            undisturbed() as disturbed,
            user_code(what, code=ConfigurationError.exit_code, seconds=seconds),
        ):
            try:
                module = importlib.import_module(name)
            except BaseException as error:
                # The text is code of the user, and has the time of the import.
                raised = raised_in(error)
                raise
    except BaseException as error:
        _codes.pop(name, None)
        check_not_stopped()
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            looked = f" and below {root}" if root else ""
            raise ConfigurationError(
                f"function '{path}': no module '{error.name}' among what is installed{looked}: correct the path, "
                "install the package, or put the module there"
            ) from None
        raise ConfigurationError(
            f"function '{path}': the module '{name}' cannot be imported: {raised or raised_in(error)}: import it in "
            "Python to see the whole error"
        ) from error
    check_not_stopped()
    if sources is not None:
        _codes[name] = _code_now(path, name, sources)
    if "stdout" in disturbed or "stderr" in disturbed:
        _codes.pop(name, None)
        raise ConfigurationError(
            f"function '{path}': the import of its module '{name}' closed or replaced {shortened(disturbed)}: remove "
            "that, a module only defines"
        )
    _check_not_hidden(path, name, module, root)
    return module


def _code_now(path: str, name: str, before: Mapping[str, Source]) -> str:
    """The digest of a module that has been imported, with what it has added to `sys.path` to find more modules."""
    sources = sources_of(name)
    digests = dict(before.values())
    for file, digest in sources.values():
        if digests.get(file, digest) != digest:
            raise ConfigurationError(f"function '{path}': {file} changed while its module was imported: run again")
    return digest_of(name, sources)


def _check_not_hidden(path: str, name: str, module: ModuleType, root: str) -> None:
    """Raise ConfigurationError when another module has the name of one of the project."""
    if not root:
        return
    base = Path(root, *name.split("."))
    ours = [file for file in (base.with_suffix(".py"), base / "__init__.py") if file.exists()]
    loaded = getattr(module, "__file__", None)
    if ours and (loaded is None or Path(loaded).resolve() != ours[0].resolve()):
        raise ConfigurationError(
            f"function '{path}': {ours[0]} is hidden by another module '{name}' ({loaded or 'built in'}): rename yours"
        )


def _check_arguments(path: str, call: Callable[..., object], columns: tuple[str, ...]) -> None:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return  # a built-in that does not say
    try:
        signature.bind(*columns)
    except TypeError:
        raise ConfigurationError(
            f"function '{path}' takes {signature}, and gets {counted(len(columns), 'column')} ({', '.join(columns)}): "
            "give 'columns' one entry for each argument"
        ) from None


class _FromSource(SourceFileLoader):
    """Compiles the source each time, and writes no bytecode."""

    def path_stats(self, path: str) -> Any:
        """Without the state of a source Python neither looks for its bytecode nor writes any."""
        raise OSError(f"no bytecode is read for {path}")


def import_from_source() -> None:
    """From now on no module of this process comes from the bytecode of a project; libraries do as before."""
    if _hook in sys.path_hooks:
        return
    sys.path_hooks.insert(0, _hook)
    # Other threads import meanwhile, and add to the cache or take from it.
    for path in list(sys.path_importer_cache):
        if _is_of_a_project(path):
            sys.path_importer_cache.pop(path, None)


def _hook(path: str) -> FileFinder:
    if not _is_of_a_project(path):
        raise ImportError(f"{path} is no directory of a project")
    return FileFinder(
        path,
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_FromSource, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )


def _is_of_a_project(path: str) -> bool:
    directory = Path(path or ".")
    return directory.is_dir() and not is_installed(directory)
