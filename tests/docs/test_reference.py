"""The reference is current and complete: every key, kind, type, operator and flag that is accepted is in it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import beam_pipeline
from daeda.aggregates import AggregateKind
from daeda.catalog import service
from daeda.catalog.service import ColumnKind, FeatureService
from daeda.catalog.view import FeatureView
from daeda.dtypes import KNOWN
from daeda.operators.dag import Operator, PipelineModel
from daeda.settings.aggregations import Aggregations
from daeda.settings.runtime import RuntimeSettings
from docs.generate import current, pages, parsers

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


def models(*roots: type[BaseModel]) -> list[type[BaseModel]]:
    """The models and all models in them."""
    result = list(roots)
    for model in result:
        for field in model.model_fields.values():
            result += [nested for nested in below(field.annotation) if nested not in result]
    return result


def below(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from below(argument)


HAND_WRITTEN = models(RuntimeSettings, Aggregations, FeatureView, FeatureService)
OPERATORS = models(*get_args(Operator))


@pytest.mark.parametrize("name", pages())
def test_a_page_is_what_make_docs_writes(name: str) -> None:
    assert current(name) == pages()[name]


@pytest.mark.parametrize(
    ("name", "model"),
    [*(("configuration.md", model) for model in HAND_WRITTEN), *(("pipeline.md", operator) for operator in OPERATORS)],
)
def test_every_key_is_described(name: str, model: type[BaseModel]) -> None:
    text = page(name)
    for key, field in model.model_fields.items():
        assert f"| `{field.alias or key}` |" in text
        assert field.description or key == "op_kind", f"{model.__name__}.{key}"
        assert (field.description or "").replace("|", "\\|") in text


def test_every_operator_kind_and_type_is_there() -> None:
    for arg in get_args(Operator):
        assert f"\n### {arg.model_fields['op_kind'].default}\n" in page("pipeline.md")
    assert list(service.KIND_MEANINGS) == list(get_args(ColumnKind))
    text = page("configuration.md")
    for kind in (*get_args(AggregateKind), *get_args(ColumnKind)):
        assert f"| `{kind}` |" in text
    for name in KNOWN:
        assert f"`{name}`" in text
    assert set(PipelineModel.model_fields) == {"service", "operators"}


def test_pages_name_every_operator_and_every_ptransform() -> None:
    line = next(one for one in (DOCS / "concepts.md").read_text().splitlines() if one.startswith("| operator |"))
    kinds = {arg.model_fields["op_kind"].default for arg in get_args(Operator)} - {"extend"}
    assert set(re.findall(r"\w+", line.partition(": ")[2].partition(". ")[0])) == kinds
    table = (DOCS / "ptransforms.md").read_text().partition("## The pieces")[2].partition("\n## ")[0]
    named = [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(beam_pipeline.__all__)


def test_every_command_and_flag_is_there() -> None:
    sections = {part.splitlines()[0]: part for part in page("commands.md").split("\n## ")[1:]}
    by_prog = {parser.prog: parser for parser, _ in parsers()}
    assert sorted(sections) == sorted(by_prog)
    assert set(by_prog) >= {
        "daeda pipeline train",
        "daeda pipeline compile",
        "python -m beam_pipeline",
        "python -m enrich",
    }
    for prog, parser in by_prog.items():
        for action in parser._actions:
            for flag in action.option_strings:
                wanted = "--[no-]" if isinstance(action, argparse.BooleanOptionalAction) else flag
                assert flag in ("-h", "--help", "--help-all") or f"| `{wanted}" in sections[prog], flag


def test_the_first_page_names_every_command() -> None:
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    named = [parser.prog for parser, _ in parsers() if parser.prog.startswith("daeda ")]
    assert "daeda check" in named
    assert [prog for prog in named if prog not in text] == []


@pytest.mark.parametrize("path", [*sorted(DOCS.rglob("*.md")), DOCS.parent / "README.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        if "://" in name:
            continue
        other = (path.parent / name) if name else path
        assert other.exists(), target
        if anchor and other.suffix == ".md":
            assert anchor in anchors(other), target


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
