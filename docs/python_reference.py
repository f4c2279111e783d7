"""The reference of `import daeda`, from its docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import daeda
from daeda.errors import DaedaError
from daeda_python import listing, results

_RESULTS = (results.Plan, results.Run, results.Check, results.Audit, results.Preview, listing.Listing)
_FRAMES = ("to_arrow", "to_pandas", "to_polars")
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
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        yield f"### {owner}.{name}"
        yield ""
        yield from _described(f"{owner}.{name}", member.fget if isinstance(member, property) else member,
                              called=not isinstance(member, property))  # fmt: skip


def _result(kind: type) -> Iterator[str]:
    yield f"### {kind.__name__}"
    yield ""
    yield from _text(kind)
    for name, member in vars(kind).items():
        found = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and inspect.isfunction(found) and (found.__doc__ or "").strip():
            shown = f"`.{name}`" if isinstance(member, property) else f"`.{name}()`"
            yield f"- {shown}: {_summary(found)}"
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
