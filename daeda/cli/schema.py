"""`daeda schema`: JSON schemas of the YAML files, for the completion and the checks of editors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from daeda.catalog.schemas import MODELS, schema_of
from daeda.errors import UsageError, refusal
from daeda.process.messages import answer, say


def print_schema(arguments: argparse.Namespace) -> int:
    """Print the schema of one kind of file, or write those of all kinds; returns the exit code."""
    if (arguments.kind is None) == (arguments.output_dir is None):
        raise UsageError(
            f"daeda schema prints one schema, of {', '.join(MODELS)}, or writes all of them with --output-dir: give "
            "one or the other"
        )
    if arguments.kind is not None:
        answer(json.dumps(schema_of(arguments.kind), indent=2))
        return 0
    directory: Path = arguments.output_dir
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for kind in MODELS:
            text = json.dumps(schema_of(kind), indent=2) + "\n"
            (directory / f"{kind}.schema.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(refusal(error)) from error
    say("editors read them by a first line like this one, with the path as seen from the file:")
    for kind in MODELS:
        say(f"# yaml-language-server: $schema={directory / f'{kind}.schema.json'}")
    return 0
