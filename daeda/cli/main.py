"""`daeda`: the command and its subcommands. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from daeda.errors import UsageError
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import AUDIT, BUILD, ENRICHMENT, OUTPUT, PLAN, PORTABLE, PROJECT, SKELETON
from daeda.process.messages import run_command
from daeda.process.supervision import supervised

Command = Callable[[argparse.Namespace, Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code. Without arguments it is the command that the process was started for."""
    if arguments is None:
        return supervised("daeda", lambda: run_command(_command, sys.argv[1:]))
    return run_command(_command, arguments)


def build_parser() -> StrictParser:
    """The parser of all commands."""
    parser = StrictParser(prog="daeda", description="Declarative YAML to point-in-time-correct training data.")
    groups = _commands_of(parser, "group")
    pipeline = groups.add_parser("pipeline", help="train, plan, explain or compile a feature service")
    commands = _commands_of(pipeline, "command")
    _add_train(
        commands.add_parser("train", help="build the days of a service", epilog="Flags of Apache Beam follow after --.")
    )
    _add_plan(
        commands.add_parser("plan", help="which days would be built, skipped or rebuilt, and why; writes nothing")
    )
    _add_explain(commands.add_parser("explain", help="the operators of a service as text, SQL or flowchart"))
    _add_compile(
        commands.add_parser("compile", help="write the operators of a service as YAML, which can be edited by hand")
    )
    audit = groups.add_parser("audit", help="recompute sampled rows by a slow path")
    audits = _commands_of(audit, "command")
    _add_leakage(
        audits.add_parser("leakage", help="compare published rows with a recomputation that shares no code with them")
    )
    return parser


def _commands_of(parser: StrictParser, dest: str) -> argparse._SubParsersAction[StrictParser]:
    return parser.add_subparsers(
        title="commands", dest=dest, required=True, metavar="COMMAND", parser_class=StrictParser
    )


def _command(words: Sequence[str]) -> int:
    ours, beam_flags = _split(words)
    arguments = build_parser().parse_strictly(ours)
    run: Command = arguments.run
    return run(arguments, beam_flags)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words, and those behind `--`, which are Beam's."""
    if "--" not in words:
        return list(words), []
    at = list(words).index("--")
    return list(words[:at]), list(words[at + 1 :])


def _add_train(parser: StrictParser) -> None:
    parser.where_others_go = "; flags of Apache Beam stand behind --"
    parser.add_argument("service")
    add_flags(parser, PROJECT, OUTPUT, BUILD, SKELETON, PORTABLE, ENRICHMENT)
    part = parser.add_argument_group("sub-range of the pipeline")
    part.add_argument("--skeleton-only", action="store_true", help="run the source-side operators alone")
    part.add_argument(
        "--enrich-only", action="store_true", help="run the enrichment alone, over a skeleton that is there"
    )
    parser.set_defaults(run=_train, parser=parser, verify=False)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_flags(parser, PROJECT, OUTPUT, PLAN)
    parser.set_defaults(run=_plan, parser=parser, skeleton_only=False, enrich_only=False)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_flags(parser, PROJECT)
    form = parser.add_argument_group("form")
    form.add_argument("--sql", action="store_true", help="the SQL of each operator for one day")
    form.add_argument(
        "--target-date", metavar="YYYY-MM-DD", help="the day of --sql (default: the first day of the range)"
    )
    form.add_argument("--format", choices=("text", "mermaid"), default="text", help="as text, or as a flowchart")
    parser.set_defaults(run=_explain, parser=parser)


def _add_compile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_flags(parser, PROJECT)
    form = parser.add_argument_group("file")
    where = form.add_mutually_exclusive_group()
    where.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="default: config/pipelines of the project, where train looks"
    )
    where.add_argument("--no-write", action="store_true", help="echo it and write nothing")
    parser.set_defaults(run=_compile, parser=parser)


def _add_leakage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service")
    add_flags(parser, PROJECT, OUTPUT, AUDIT)
    parser.set_defaults(run=_leakage, parser=parser)


def _train(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    from daeda.cli.train import train

    return train(arguments, beam_flags)


def _plan(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    _refuse_beam_flags("plan", beam_flags)
    from daeda.cli.plan import plan

    return plan(arguments)


def _explain(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    _refuse_beam_flags("explain", beam_flags)
    if arguments.sql and arguments.format != "text":
        raise UsageError(f"--sql and --format {arguments.format} exclude each other: give one of them")
    if arguments.target_date is not None and not arguments.sql:
        raise UsageError("--target-date chooses the day of --sql: give both, or neither")
    from daeda.cli.explain import explain

    return explain(arguments)


def _compile(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    _refuse_beam_flags("compile", beam_flags)
    from daeda.cli.compile import compile_service

    return compile_service(arguments)


def _leakage(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    if beam_flags:
        raise UsageError("daeda audit leakage takes no flags of Beam: remove what stands behind '--'")
    from daeda.cli.leakage import audit_leakage

    return audit_leakage(arguments)


def _refuse_beam_flags(command: str, beam_flags: Sequence[str]) -> None:
    if beam_flags:
        raise UsageError(f"daeda pipeline {command} runs nothing on Beam: remove what stands behind '--'")
