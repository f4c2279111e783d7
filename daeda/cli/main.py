"""`daeda`: the command and its subcommands. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from daeda.cli.importing import add_import
from daeda.cli.keeping import add_keeping
from daeda.errors import UsageError
from daeda.flags.days import joined, refuse_two_ranges
from daeda.flags.help import Version
from daeda.flags.parser import StrictParser, add_flags, refuse_beam_flags, seconds_above_0
from daeda.flags.table import (
    ANSWER,
    AUDIT,
    BUILD,
    CATALOG,
    ENRICHMENT,
    INIT,
    LINEAGE,
    LOG,
    OUTPUT,
    PLAN,
    PORTABLE,
    PREVIEW,
    PROJECT,
    REPORT,
    SKELETON,
    STATISTICS,
)
from daeda.process.messages import answer, run_command
from daeda.process.start_up import rarely_collected
from daeda.process.supervised import is_supervised
from daeda.process.supervision import supervised

Command = Callable[[argparse.Namespace, Sequence[str]], int]
# Commands of `daeda pipeline` that need no `pipeline`.
SHORT = ("train", "plan", "explain", "compile")
_INIT = """\
Make a first project out of files or tables of Postgres: views, a service with windows and a label, and one built
day. What it saw is said, and stands in the YAML beside each proposal and what else might stand there.

  daeda init shop --from orders.csv customers.csv
  daeda init --yes                   files of this directory, no question asked
  daeda init shop --from postgres://SERVICE/public.orders
  daeda init shop --from logs/ --answers answers.yaml"""
_TRAIN = """\
Check everything, then build the days that are missing or stale.

  daeda train ranking                               the whole range
  daeda train ranking --start -7d --end yesterday   the last week
  daeda train ranking --target-date 2025-03-01      one day of the range"""
_PLAN = """\
Say which days train would build, skip or rebuild, and why; write nothing.

  daeda plan ranking
  daeda plan ranking --start 2025-03-01 --end yesterday"""
_EXPLAIN = """\
Show what the service is compiled to.

  daeda explain ranking                    operators, columns and types
  daeda explain ranking --sql              the SQL of a day
  daeda explain ranking --format mermaid   a flowchart"""
_ERASE = """\
Find the days, of all versions of a service, that hold a value of a key, and build those of this version again without
it; those of other versions are only named. The sources come first: what they still have is named, and nothing is
changed.

  daeda erase ranking --key user_id=42 --dry-run
  daeda erase ranking --key user_id=42"""
_LEAKAGE = """\
Recompute rows of published days by a path that shares no code with the product.

  daeda audit leakage ranking --quick
  daeda audit leakage ranking --days 2025-03-01..2025-03-07 --rows 500"""
_CATALOG = """\
Say who uses a view, what a column is, since when there is data, and how much.

  daeda catalog
  daeda catalog views user_profile
  daeda catalog columns --json
  daeda catalog --html catalog.html   one file that can be searched"""
_CHECK = """\
Find all mistakes of a project at once, and hints at leaks; build nothing.

  daeda check ranking
  daeda check ranking --json"""
_PREVIEW = """\
Make features of a few rows in memory, or tell why a value is what it is.

  daeda preview ranking --day 2025-03-01 --rows 20
  daeda preview ranking --spine own.csv
  daeda preview ranking --explain 0 --columns price   why it is this price"""
_REPORT = """\
Write one HTML file about a training set: its days, its pipeline, each column over the days, and what is wrong first.
It needs no network; nothing is built.

  daeda report ranking --open
  daeda report ranking --start -28d --end yesterday --output ranking.html
  daeda report ranking --reference 2025-01-01..2025-01-28"""
_DOCTOR = """\
Look at this host, at what is installed and, in a project, at what its runs reach. Nothing is changed.

  daeda doctor
  daeda doctor --json"""
_COMPLETION = """\
Print the completion of a shell.

  source <(daeda completion bash)    in ~/.bashrc
  eval "$(daeda completion zsh)"     in ~/.zshrc, behind compinit
  daeda completion fish > ~/.config/fish/completions/daeda.fish"""
_SCHEMA = """\
Let an editor complete and check YAML files. The first line of a file names its schema:

  daeda schema --output-dir .schemas
  # yaml-language-server: $schema=../.schemas/view.schema.json"""
_SHORT_EPILOG = f"{', '.join(SHORT)} are short for daeda pipeline {SHORT[0]} and so on."


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code. Without arguments it is the command that the process was started for."""
    if arguments is None:
        return supervised("daeda", lambda: run_command(_command, sys.argv[1:]))
    return run_command(_command, arguments)


def build_parser() -> StrictParser:
    """The parser of all commands."""
    parser = StrictParser(
        prog="daeda", description="Declarative YAML to point-in-time-correct training data.", epilog=_SHORT_EPILOG
    )
    parser.add_argument("--version", action=Version)
    parser.other_commands = SHORT
    groups = _commands_of(parser, "group")
    _add_init(groups.add_parser("init", help="a first project out of Parquet, CSV or JSON lines, and one built day"))
    pipeline = groups.add_parser("pipeline", help="train, plan, explain or compile a feature service")
    commands = _commands_of(pipeline, "command")
    _add_train(
        commands.add_parser(
            "train",
            help="build the days of a service",
            description=_TRAIN,
            epilog="Flags of Apache Beam follow after --.",
        )
    )
    _add_plan(
        commands.add_parser(
            "plan",
            help="which days would be built, skipped or rebuilt, and why; writes nothing",
            description=_PLAN,
        )
    )
    _add_explain(
        commands.add_parser(
            "explain", help="the operators of a service as text, SQL or flowchart", description=_EXPLAIN
        )
    )
    _add_compile(
        commands.add_parser("compile", help="write the operators of a service as YAML, which can be edited by hand")
    )
    _add_erase(
        groups.add_parser(
            "erase",
            help="find the days that hold somebody's rows, or lists with the id; build this version's again without",
            description=_ERASE,
        )
    )
    add_keeping(groups)
    add_import(groups)
    _add_check(groups.add_parser("check", help="everything that can be known without building, and hints at leaks"))
    _add_preview(groups.add_parser("preview", help="features of a few rows, or of rows of your own; publishes nothing"))
    _add_report(groups.add_parser("report", help="one HTML file about the days, the pipeline and the columns"))
    _add_doctor(groups.add_parser("doctor", help="look at this host, what is installed, and what the project reaches"))
    audit = groups.add_parser("audit", help="recompute sampled rows by a slow path")
    audits = _commands_of(audit, "command")
    _add_leakage(
        audits.add_parser(
            "leakage",
            help="compare published rows with a recomputation that shares no code with them",
            description=_LEAKAGE,
        )
    )
    catalog = groups.add_parser(
        "catalog", help="what views, services, columns, stores and tags there are", description=_CATALOG
    )
    catalog.add_argument(
        "section", nargs="?", choices=("views", "services", "columns", "stores", "tags"), metavar="SECTION",
        help="views, services, columns, stores or tags (default: all)",
    )  # fmt: skip
    catalog.add_argument("name", nargs="?", metavar="NAME", help="only the one of this name")
    add_flags(catalog, PROJECT, CATALOG, ANSWER, LOG)
    catalog.set_defaults(run=_catalog, parser=catalog)
    completion = groups.add_parser(
        "completion",
        help="the script by which bash, zsh or fish completes commands",
        description=_COMPLETION,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    completion.set_defaults(run=_completion, parser=completion)
    schema = groups.add_parser("schema", help="JSON schemas of the YAML files, for editors", description=_SCHEMA)
    schema.add_argument(
        "kind", nargs="?", choices=("runtime", "aggregations", "view", "service"), metavar="KIND",
        help="print that of one kind: runtime, aggregations, view or service",
    )  # fmt: skip
    schema.add_argument("--output-dir", type=Path, metavar="DIR", help="write those of all kinds here")
    schema.set_defaults(run=_schema, parser=schema)
    return parser


def _commands_of(parser: StrictParser, dest: str) -> argparse._SubParsersAction[StrictParser]:
    parser.set_defaults(run=_show_help, parser=parser)
    return parser.add_subparsers(title="commands", dest=dest, metavar="COMMAND", parser_class=StrictParser)


def _show_help(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    """A group without a command shows what there is."""
    if beam_flags:
        raise UsageError(f"{arguments.parser.prog} takes no flags of Beam: name a command before '--'")
    answer(arguments.parser.format_help().removesuffix("\n"))
    return 0


def _command(words: Sequence[str]) -> int:
    ours, beam_flags = _split(words)
    if ours and ours[0] in SHORT:
        ours = ["pipeline", *ours]
    arguments = build_parser().parse_strictly(joined(ours, ("--start", "--end")))
    run: Command = arguments.run
    return run(arguments, beam_flags)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words, and those behind `--`, which are Beam's."""
    if "--" not in words:
        return list(words), []
    at = list(words).index("--")
    return list(words[:at]), list(words[at + 1 :])


def _add_service(parser: StrictParser) -> None:
    parser.add_argument(
        "service", nargs="?", metavar="SERVICE", help="feature service (default: the one that runtime.yaml names)"
    )


def _add_init(parser: StrictParser) -> None:
    parser.description = _INIT
    parser.add_argument(
        "directory",
        nargs="?",
        default=".",
        metavar="DIR",
        help="the project: a directory without one, which may not exist yet (default: the working directory)",
    )
    add_flags(parser, INIT, LOG)
    parser.set_defaults(run=_init, parser=parser)


def _init(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("init", beam_flags)
    from daeda.cli.init import init

    return init(arguments)


def _add_train(parser: StrictParser) -> None:
    parser.where_others_go = "; flags of Apache Beam stand behind --"
    _add_service(parser)
    add_flags(parser, PROJECT, OUTPUT, BUILD, STATISTICS, SKELETON, PORTABLE, ENRICHMENT, LINEAGE, ANSWER, LOG)
    part = parser.add_argument_group("sub-range of the pipeline")
    part.add_argument("--skeleton-only", action="store_true", help="run the source-side operators alone")
    part.add_argument(
        "--enrich-only", action="store_true", help="run the enrichment alone, over a skeleton that is there"
    )
    asking = parser.add_argument_group("questions")
    asking.add_argument(
        "--yes", action="store_true", help="replace published days that are stale without a question; without a "
        "terminal, and with --on-stale, none is asked",
    )  # fmt: skip
    parser.show_first(
        "--start", "--end", "--target-date", "--output-root", "--day-workers", "--on-stale", "--skeleton-only",
        "--profile", "--json", "--log-json",
    )  # fmt: skip
    parser.set_defaults(run=_train, parser=parser, verify=False)


def _add_erase(parser: StrictParser) -> None:
    parser.add_argument("service")
    parser.add_argument("--key", required=True, metavar="NAME=VALUE", help="the key of an entity, and its value")
    parser.add_argument("--dry-run", action="store_true", help="say what holds it, and what is to be deleted first")
    add_flags(parser, PROJECT, OUTPUT, ANSWER, LOG)
    parser.set_defaults(run=_erase, parser=parser)


def _erase(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("erase", beam_flags)
    from daeda.cli.erase import erase

    return erase(arguments)


def _add_plan(parser: StrictParser) -> None:
    _add_service(parser)
    add_flags(parser, PROJECT, OUTPUT, PLAN, ANSWER, LOG)
    parser.show_first("--start", "--end", "--target-date", "--output-root", "--on-stale", "--verify", "--json")
    parser.set_defaults(run=_plan, parser=parser, skeleton_only=False, enrich_only=False)


def _add_explain(parser: StrictParser) -> None:
    _add_service(parser)
    add_flags(parser, PROJECT, ANSWER, LOG)
    form = parser.add_argument_group("form")
    form.add_argument("--sql", action="store_true", help="the SQL of each operator for one day")
    form.add_argument(
        "--target-date", metavar="YYYY-MM-DD", help="the day of --sql (default: the first day of the range)"
    )
    form.add_argument("--format", choices=("text", "mermaid"), default="text", help="as text, or as a flowchart")
    parser.show_first("--sql", "--target-date", "--format", "--json")
    parser.set_defaults(run=_explain, parser=parser)


def _add_compile(parser: StrictParser) -> None:
    _add_service(parser)
    add_flags(parser, PROJECT, LOG)
    form = parser.add_argument_group("file")
    where = form.add_mutually_exclusive_group()
    where.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="default: config/pipelines of the project, where train looks"
    )
    where.add_argument("--no-write", action="store_true", help="echo it and write nothing")
    parser.set_defaults(run=_compile, parser=parser)


def _add_leakage(parser: StrictParser) -> None:
    _add_service(parser)
    add_flags(parser, PROJECT, OUTPUT, AUDIT, ANSWER, LOG)
    parser.show_first("--days", "--rows", "--quick", "--probe", "--seed", "--output-root", "--json")
    parser.set_defaults(run=_leakage, parser=parser)


def _add_check(parser: StrictParser) -> None:
    parser.description = _CHECK
    _add_service(parser)
    add_flags(parser, PROJECT, OUTPUT, ANSWER, LOG)
    parser.show_first("--json", "--output-root")
    parser.set_defaults(run=_check, parser=parser)


def _add_doctor(parser: StrictParser) -> None:
    parser.description = _DOCTOR
    add_flags(parser, PROJECT, OUTPUT, ANSWER, LOG)
    parser.add_argument_group("probes").add_argument(
        "--seconds", type=seconds_above_0, default=10.0, metavar="SECONDS", help="how long a probe may take"
    )
    parser.show_first("--json", "--seconds", "--runtime-config-path", "--output-root")
    parser.usage = f"{parser.prog} [FLAGS]"
    parser.set_defaults(run=_doctor, parser=parser)


def _add_preview(parser: StrictParser) -> None:
    parser.description = _PREVIEW
    _add_service(parser)
    add_flags(parser, PROJECT, PREVIEW, LOG)
    parser.show_first("--day", "--rows", "--spine", "--columns", "--explain", "--json", "--output")
    parser.set_defaults(run=_preview, parser=parser)


def _add_report(parser: StrictParser) -> None:
    parser.description = _REPORT
    _add_service(parser)
    add_flags(parser, PROJECT, OUTPUT, REPORT, ANSWER, LOG)
    parser.add_argument_group("browser").add_argument("--open", action="store_true", help="show it in the browser")
    parser.show_first("--start", "--end", "--days", "--reference", "--output", "--open", "--json")
    parser.set_defaults(
        run=_report, parser=parser, target_date=None, on_stale="rebuild", no_extend=False, verify=False,
        skeleton_only=False, enrich_only=False,
    )  # fmt: skip


def _train(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    with rarely_collected():
        from daeda.cli.train import train

    return train(arguments, beam_flags)


def _plan(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("pipeline plan", beam_flags, "runs nothing on Beam")
    refuse_two_ranges(arguments)
    with rarely_collected():
        from daeda.catalog.left_out import without_numpy
        from daeda.catalog.project import open_project

        project = open_project(arguments, arguments.service)
        if is_supervised():
            without_numpy(project)
        from daeda.cli.plan import plan

        return plan(project, arguments)


def _explain(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("pipeline explain", beam_flags, "runs nothing on Beam")
    if arguments.sql and arguments.format != "text":
        raise UsageError(f"--sql and --format {arguments.format} exclude each other: give one of them")
    if arguments.json and arguments.format != "text":
        raise UsageError(f"--json and --format {arguments.format} exclude each other: give one of them")
    if arguments.target_date is not None and not arguments.sql:
        raise UsageError("--target-date chooses the day of --sql: give both, or neither")
    with rarely_collected():
        from daeda.cli.explain import explain

        return explain(arguments)


def _compile(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("pipeline compile", beam_flags, "runs nothing on Beam")
    with rarely_collected():
        from daeda.cli.compile import compile_service

        return compile_service(arguments)


def _leakage(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("audit leakage", beam_flags)
    from daeda.cli.leakage import audit_leakage

    return audit_leakage(arguments)


def _catalog(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("catalog", beam_flags)
    if arguments.html is not None and (arguments.section is not None or arguments.json):
        other = "--json" if arguments.json else arguments.section
        raise UsageError(f"--html writes all of the catalog into a file: leave {other} out, or --html")
    with rarely_collected():
        from daeda.cli.catalog import catalog

        return catalog(arguments)


def _completion(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("completion", beam_flags)
    from daeda.cli.completion import script

    answer(script(build_parser(), arguments.shell, SHORT).removesuffix("\n"))
    return 0


def _schema(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("schema", beam_flags)
    from daeda.cli.schema import print_schema

    return print_schema(arguments)


def _check(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("check", beam_flags, "runs nothing on Beam")
    with rarely_collected():
        from daeda.cli.check import check

        return check(arguments)


def _doctor(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("doctor", beam_flags, "runs nothing on Beam")
    from daeda.cli.doctor import doctor

    return doctor(arguments)


def _preview(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("preview", beam_flags, "runs nothing on Beam")
    from daeda.cli.preview import preview

    return preview(arguments)


def _report(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("report", beam_flags, "runs nothing on Beam")
    from daeda.cli.report import report

    return report(arguments)
