"""`daeda`: the command and its subcommands. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from daeda.cli.arguments import (
    StrictParser,
    add_enrichment_flags,
    add_project_flags,
    add_run_flags,
    add_skeleton_flags,
)
from daeda.cli.outcome import run_command
from daeda.errors import NotBuiltYet

Command = Callable[[argparse.Namespace, Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def build_parser() -> StrictParser:
    """The parser of all commands."""
    parser = StrictParser(prog="daeda", description="Declarative YAML to point-in-time-correct training data.")
    groups = parser.add_subparsers(
        title="commands", dest="group", required=True, metavar="COMMAND", parser_class=StrictParser
    )
    pipeline = groups.add_parser("pipeline", help="train, plan, explain or compile a feature service")
    commands = pipeline.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND", parser_class=StrictParser
    )
    _add_train(
        commands.add_parser("train", help="build the days of a service", epilog="Flags of Apache Beam follow after --.")
    )
    _add_plan(
        commands.add_parser("plan", help="which days would be built, skipped or rebuilt, and why; writes nothing")
    )
    _add_explain(commands.add_parser("explain", help="the operators of a service as text"))
    _add_compile(commands.add_parser("compile", help="write the operators of a service as YAML (not built yet)"))
    audit = groups.add_parser("audit", help="recompute sampled rows by a slow path (not built yet)")
    audits = audit.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND", parser_class=StrictParser
    )
    leakage = audits.add_parser("leakage", help="compare published rows with a recomputation (not built yet)")
    leakage.add_argument("service")
    instead = "this version has the commands pipeline train, plan and explain"
    leakage.set_defaults(run=_not_built("daeda audit leakage", instead), parser=leakage)
    return parser


def _command(words: Sequence[str]) -> int:
    ours, beam_flags = _split(words)
    parser = build_parser()
    arguments = parser.parse_strictly(ours)
    run: Command = arguments.run
    return run(arguments, beam_flags)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words, and those behind `--`, which are Beam's."""
    if "--" not in words:
        return list(words), []
    at = list(words).index("--")
    return list(words[:at]), list(words[at + 1 :])


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_project_flags(parser)
    add_run_flags(parser)
    add_skeleton_flags(parser)
    add_enrichment_flags(parser)
    part = parser.add_argument_group("sub-range of the pipeline")
    part.add_argument("--skeleton-only", action="store_true", help="run the source-side operators alone")
    part.add_argument(
        "--enrich-only", action="store_true", help="run the enrichment alone, over a skeleton that is there"
    )
    part.add_argument("--profile", action="store_true", help="not built yet")
    parser.set_defaults(run=_train, parser=parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_project_flags(parser)
    add_run_flags(parser)
    parser.set_defaults(run=_plan, parser=parser, skeleton_only=False, enrich_only=False)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_project_flags(parser)
    parser.add_argument("--sql", action="store_true", help="not built yet")
    parser.add_argument("--format", choices=("text", "mermaid"), default="text", help="mermaid is not built yet")
    parser.set_defaults(run=_explain, parser=parser)


def _add_compile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_project_flags(parser)
    instead = "`daeda pipeline explain` shows the operators as text"
    parser.set_defaults(run=_not_built("daeda pipeline compile", instead), parser=parser)


def _train(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    if arguments.profile:
        raise NotBuiltYet(
            "--profile is described and not built yet: leave it out, and read the seconds of each operator in the "
            "_manifest.json of a day"
        )
    from daeda.cli.train import train

    return train(arguments, beam_flags)


def _plan(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    _refuse_beam_flags("plan", beam_flags)
    from rich.console import Console

    from daeda.cli.summary import print_plan
    from daeda.cli.train import make_plan, sources_shown

    plan = make_plan(arguments)
    print_plan(Console(highlight=False), plan.plans, sources_shown(plan))
    return 0


def _explain(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    _refuse_beam_flags("explain", beam_flags)
    for asked, name in ((arguments.sql, "--sql"), (arguments.format == "mermaid", "--format mermaid")):
        if asked:
            raise NotBuiltYet(
                f"daeda pipeline explain {name} is described and not built yet: leave it out for the text"
            )
    from daeda.cli.arguments import open_project
    from daeda.compiler.compile import compile_project
    from daeda.planning.explain import explain_text

    print(explain_text(compile_project(open_project(arguments, arguments.service))))
    return 0


def _refuse_beam_flags(command: str, beam_flags: Sequence[str]) -> None:
    if beam_flags:
        from daeda.errors import UsageError

        raise UsageError(f"daeda pipeline {command} runs nothing on Beam: remove what stands behind '--'")


def _not_built(what: str, instead: str) -> Command:
    def refuse(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
        raise NotBuiltYet(f"{what} is described and not built yet: {instead}")

    return refuse
