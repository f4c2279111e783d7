"""The commands over days that are published, and their flags: `tag`, `diff`, `verify` and `prune`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TypeAlias

from daeda.flags.parser import StrictParser, add_flags, refuse_beam_flags
from daeda.flags.table import ANSWER, COMPARED, LOG, NEEDED, OUTPUT, PROJECT, TAGGED, VERIFIED

Groups: TypeAlias = "argparse._SubParsersAction[StrictParser]"

_TAG = """\
Give published days a name under which they stay as they are, whatever is trained later.

  daeda tag ranking                                     the tags that there are
  daeda tag ranking january --start 2025-01-01 --end 2025-01-31
  daeda tag ranking january --delete"""
_VERIFY = """\
Compare every byte of published days with what their manifests say.

  daeda verify ranking
  daeda verify ranking@january                          the days of a tag
  daeda verify ranking@v2                               those of a version"""
_DIFF = """\
Say in what two sets of published days differ, row by row, and what explains it. The exit code is 0 where nothing
differs, and 1 where something does.

  daeda diff ranking@january ranking          a tag, and what is published now
  daeda diff ranking ranking@v2 --days 2025-01-01..2025-01-07
  daeda diff /backup/ranking output/ranking --tolerance 1e-9 --html diff.html"""
_PRUNE = """\
List what is published and needed by nobody: days outside of the range of the service and of older versions that no tag
has, and what runs and tags left that were killed. It is removed after a question on a terminal, or with --yes.

  daeda prune ranking --dry-run
  daeda prune ranking"""
SELECTED = "SERVICE, SERVICE@v2 for a version or SERVICE@NAME for a tag"


def add_keeping(groups: Groups) -> None:
    """Add the commands."""
    _add_tag(groups.add_parser("tag", help="give published days a name, under which they never change"))
    _add_diff(groups.add_parser("diff", help="in what two sets of published days differ, and what explains it"))
    _add_verify(groups.add_parser("verify", help="compare every byte of published days with their manifests"))
    _add_prune(groups.add_parser("prune", help="list, and remove, published days that no range and no tag needs"))


def _add_tag(parser: StrictParser) -> None:
    parser.description = _TAG
    parser.add_argument("service", metavar="SERVICE", help="feature service")
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the tag (default: list the tags)")
    add_flags(parser, PROJECT, OUTPUT, TAGGED, ANSWER, LOG)
    removal = parser.add_argument_group("removal")
    removal.add_argument("--delete", action="store_true", help="remove the tag; days that are published stay")
    removal.add_argument("--yes", action="store_true", help="without a question")
    parser.show_first("--days", "--start", "--end", "--delete", "--yes", "--output-root", "--json")
    parser.usage = f"{parser.prog} SERVICE [NAME] [FLAGS]"
    parser.set_defaults(run=_tag, parser=parser)


def _add_verify(parser: StrictParser) -> None:
    parser.description = _VERIFY
    parser.add_argument(
        "service", nargs="?", metavar="SERVICE", help=f"{SELECTED} (default: the service that runtime.yaml names)"
    )
    add_flags(parser, PROJECT, OUTPUT, VERIFIED, ANSWER, LOG)
    parser.show_first("--days", "--output-root", "--json")
    parser.set_defaults(run=_verify, parser=parser)


def _add_prune(parser: StrictParser) -> None:
    parser.description = _PRUNE
    parser.add_argument("service", metavar="SERVICE", help="feature service")
    add_flags(parser, PROJECT, OUTPUT, NEEDED, ANSWER, LOG)
    removal = parser.add_argument_group("removal")
    removal.add_argument("--dry-run", action="store_true", help="list alone")
    removal.add_argument("--yes", action="store_true", help="remove without a question")
    parser.show_first("--dry-run", "--yes", "--start", "--end", "--output-root", "--json")
    parser.usage = f"{parser.prog} SERVICE [FLAGS]"
    parser.set_defaults(run=_prune, parser=parser)


def _add_diff(parser: StrictParser) -> None:
    parser.description = _DIFF
    named = f"{SELECTED}, or a directory that holds published days"
    parser.add_argument("here", metavar="HERE", help=named)
    parser.add_argument("there", metavar="THERE", help="the same of the other side")
    add_flags(parser, PROJECT, OUTPUT, COMPARED, ANSWER, LOG)
    parser.show_first(
        "--day", "--days", "--dataset", "--grain", "--tolerance", "--relative-tolerance", "--html", "--json",
        "--output-root",
    )  # fmt: skip
    parser.usage = f"{parser.prog} HERE THERE [FLAGS]"
    parser.set_defaults(run=_diff, parser=parser)


def _tag(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("tag", beam_flags)
    from daeda.cli.tag import tag

    return tag(arguments)


def _diff(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("diff", beam_flags)
    from daeda.cli.diff import diff

    return diff(arguments)


def _prune(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("prune", beam_flags)
    from daeda.cli.prune import prune

    return prune(arguments)


def _verify(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("verify", beam_flags)
    from daeda.cli.verify import verify

    return verify(arguments)
