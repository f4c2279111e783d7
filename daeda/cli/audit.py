"""`daeda audit leakage`: the audit in a process of its own, as the halves are."""

from __future__ import annotations

import argparse

from daeda.cli.arguments import as_flags, setting_words
from daeda.settings.flags import OUTPUT_ROOT

_PROJECT = {
    "runtime_config_path": "--runtime-config-path",
    "aggregation_config_path": "--aggregation-config-path",
    "feature_views_dir": "--feature-views-dir",
    "feature_services_dir": "--feature-services-dir",
}
_AUDIT = {"rows": "--rows", "seed": "--seed", "probe": "--probe"}


def add_audit_flags(parser: argparse.ArgumentParser) -> None:
    """Which days and rows are audited, and how."""
    group = parser.add_argument_group("audit")
    group.add_argument(
        "--days",
        nargs="+",
        metavar="DAY",
        help="published days, each YYYY-MM-DD or a range YYYY-MM-DD..YYYY-MM-DD (default: at most 7, spread evenly)",
    )
    group.add_argument("--rows", type=_whole_number, default=200, metavar="N", help="rows to recompute of each day")
    group.add_argument("--seed", type=int, default=0, metavar="S", help="decides which rows are drawn")
    group.add_argument(
        "--probe",
        choices=("all", "recompute", "append"),
        default="all",
        help="recompute: rows of each day; append: rebuild the last day from a copy of the input with later rows added",
    )


def audit_leakage(arguments: argparse.Namespace) -> int:
    """Run the audit; returns its exit code, 1 where something leaks."""
    from daeda.cli.halves import interruptible, run_half

    words = [arguments.service, *as_flags(arguments, _PROJECT), *setting_words(arguments, (OUTPUT_ROOT,))]
    words += as_flags(arguments, _AUDIT)
    words += ["--days", *arguments.days] if arguments.days else []
    with interruptible() as state:
        return run_half("daeda_audit", words, state, result_on_stdout=True)


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
