"""The surface of a checkout: each command with its flags, each key of the YAML files, and the names in Python.

    python -m tests.surface.listing > tests/surface/VERSION.json      when VERSION is published

0.1.0.json is that of the first commit, which said that it is 0.1.0; it was made by the same walks over its parsers and
models.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel

Surface = dict[str, list[str]]


def flags_of(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """Each command with its arguments and flags, as `daeda plan --start`."""
    yield name
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from flags_of(child, f"{name} {word}")
        elif not action.option_strings:
            yield f"{name} {action.dest.upper()}"
        else:
            yield from (f"{name} {flag}" for flag in action.option_strings if flag.startswith("--"))


def keys_of(model: type[BaseModel], name: str, above: tuple[type, ...] = ()) -> Iterator[str]:
    """Each key of a YAML file by its way from the top, as `view: source.path`."""
    for field, told in model.model_fields.items():
        way = f"{name}{told.alias or field}"
        yield way
        for inner in _models(told.annotation):
            if inner not in above:
                yield from keys_of(inner, f"{way}.", (*above, model))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def errors_of(module: Any) -> Iterator[str]:
    """The classes of errors, which programs catch."""
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__:
            yield f"{module.__name__}.{name}"


def transforms_of(module: Any) -> Iterator[str]:
    """The PTransforms, by the name of the module that has them."""
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield f"{module.__name__}.{name}"


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


def surface() -> Surface:
    """The surface of this checkout."""
    import beam_pipeline.command
    import beam_pipeline.transforms
    import daeda
    import daeda.errors
    import enrich.command
    from daeda.catalog.schemas import MODELS
    from daeda.cli.main import build_parser
    from daeda.operators.dag import PipelineModel

    return {
        "commands": _sorted(
            [
                *flags_of(build_parser(), "daeda"),
                *flags_of(beam_pipeline.command.build_parser(), "python -m beam_pipeline"),
                *flags_of(enrich.command.build_parser(), "python -m enrich"),
            ]
        ),
        "keys": _sorted(
            key for kind, model in {**MODELS, "pipeline": PipelineModel}.items() for key in keys_of(model, f"{kind}: ")
        ),
        "names": _sorted(
            [
                *(f"daeda.{name}" for name in daeda.__all__),
                *errors_of(daeda.errors),
                *transforms_of(beam_pipeline.transforms),
            ]
        ),
    }


if __name__ == "__main__":
    json.dump(surface(), sys.stdout, indent=1)
    print()
