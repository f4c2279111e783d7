"""The reference of `import daeda`, from its docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import daeda
from daeda.errors import DaedaError
from daeda_data.loader.batch import Batch
from daeda_data.loader.batches import Batches
from daeda_data.loader.vocabulary import Vocabulary, Words
from daeda_data.opening import dataset
from daeda_data.training_data import TrainingData
from daeda_python import listing, results

_RESULTS = (results.Plan, results.Run, results.Check, results.Audit, results.Preview, listing.Listing)
_LOADER = (Batches, Batch, Vocabulary, Words)
# Annotations are texts.
_QUOTED = re.compile(r": '([^']*)'")
_HOME = re.compile(r"\b(?:\w+\.)+(?=[A-Z])")


def page() -> str:
    """The page, without its first lines."""
    lines = [
        "`import daeda` loads nothing; each name is loaded when it is asked for. What else lies in the package is no",
        "interface. [Python](../python.md) shows how it is used.",
        "",
        "## daeda.project",
        "",
        *_described("daeda.project", daeda.project),
        "## daeda.Project",
        "",
        *_members(daeda.Project, "project"),
        "## Results",
        "",
        "All of them print as a table, in a terminal and in a notebook, and have `to_arrow()`, `to_pandas()` and",
        "`to_polars()`. What `--json` answers is in their fields: see [answers](answers.md).",
        "",
        *(line for kind in _RESULTS for line in _result(kind)),
        "## daeda.dataset",
        "",
        *_described("daeda.dataset", dataset),
        "## TrainingData",
        "",
        "What `daeda.dataset(...)` gives: see [reading](../reading.md), and [the loader](../loader.md) for `batches`,",
        "`torch` and `vocabulary`.",
        "",
        *_members(TrainingData, "data"),
        "## Batches",
        "",
        *(line for kind in _LOADER for line in _result(kind)),
        "## Errors and warnings",
        "",
        "| name | raised for | exit code of the command |",
        "|---|---|---|",
        *_errors(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _errors() -> Iterator[str]:
    for name in daeda.__all__:
        found = getattr(daeda, name)
        if isinstance(found, type) and issubclass(found, DaedaError):
            bases = ", ".join(f"a `{base.__name__}`" for base in found.__bases__ if base.__name__ in daeda.__all__)
            yield f"| `daeda.{name}`{', ' if bases else ''}{bases} | {_summary(found)} | {found.exit_code} |"
    yield f"| `daeda.DataWarning`, a `UserWarning` | {_summary(daeda.DataWarning)} | |"


def _summary(found: Any) -> str:
    return (inspect.getdoc(found) or "").partition("\n\n")[0].replace("\n", " ")


def _members(kind: type, owner: str) -> Iterator[str]:
    yield from _text(kind)
    for name, (found, called) in _public(*reversed(kind.__mro__[:-1])).items():
        yield f"### {owner}.{name}"
        yield ""
        yield from _described(f"{owner}.{name}", found, called=called)


def _public(*kinds: type) -> dict[str, tuple[Any, bool]]:
    """The public members of classes by name: the function behind each, and whether it is called."""
    found: dict[str, tuple[Any, bool]] = {}
    for name, member in (one for kind in kinds for one in vars(kind).items()):
        if name.startswith("_"):
            continue
        match member:
            case property():
                found[name] = (member.fget, False)
            case cached_property():
                found[name] = (member.func, False)
            case staticmethod():
                found[name] = (member.__func__, True)
            case _ if inspect.isfunction(member):
                found[name] = (member, True)
    return found


def _result(kind: type) -> Iterator[str]:
    yield f"### {kind.__name__}"
    yield ""
    yield from _text(kind)
    for name, (found, called) in _public(kind).items():
        if (found.__doc__ or "").strip():
            yield f"- `.{name}{'()' if called else ''}`: {_summary(found)}"
    yield ""


def _described(name: str, found: Any, *, called: bool = True) -> Iterator[str]:
    yield "```python"
    yield from _signature(name, found) if called else [f"{name}: {_annotation(found)}"]
    yield "```"
    yield ""
    yield from _text(found)


def _annotation(found: Any) -> str:
    return _HOME.sub("", str(inspect.signature(found).return_annotation))


def _signature(name: str, found: Any) -> list[str]:
    """The signature, a parameter a line where it is long."""
    signature = inspect.signature(found)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    returned = "" if signature.return_annotation is signature.empty else f" -> {_annotation(found)}"
    texts = [_QUOTED.sub(r": \1", _HOME.sub("", str(one))) for one in parameters]
    first = next((at for at, one in enumerate(parameters) if one.kind is one.KEYWORD_ONLY), None)
    if first is not None:
        texts.insert(first, "*")
    whole = f"{name}({', '.join(texts)}){returned}"
    return [whole] if len(whole) <= 100 else [f"{name}(", *(f"    {text}," for text in texts), f"){returned}"]


def _text(found: Any) -> Iterator[str]:
    """The docstring as Markdown: examples become code."""
    in_code = False
    for line in (inspect.getdoc(found) or "").splitlines():
        if line.startswith((">>> ", "    ")) and not in_code:
            in_code = True
            yield "```python"
        if in_code and not line:
            in_code = False
            yield "```"
        yield line
    if in_code:
        yield "```"
    yield ""
