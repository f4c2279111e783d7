"""The flags of `daeda audit leakage`, which the process of the audit understands too."""

from __future__ import annotations

import argparse

PROJECT_FLAGS = {
    "runtime_config_path": "--runtime-config-path",
    "aggregation_config_path": "--aggregation-config-path",
    "feature_views_dir": "--feature-views-dir",
    "feature_services_dir": "--feature-services-dir",
}
AUDIT_FLAGS = {"rows": "--rows", "seed": "--seed", "probe": "--probe", "quick": "--quick"}
ROWS, QUICK_ROWS = 200, 50
DAYS, QUICK_DAYS = 7, 3


def add_audit_flags(parser: argparse.ArgumentParser) -> None:
    """Which days and rows are audited, and how."""
    group = parser.add_argument_group("audit")
    group.add_argument(
        "--days",
        nargs="+",
        metavar="DAY",
        help="published days, each YYYY-MM-DD or a range YYYY-MM-DD..YYYY-MM-DD "
        f"(default: at most {DAYS}, spread evenly)",
    )
    group.add_argument(
        "--rows",
        type=_whole_number,
        metavar="N",
        help=f"rows to recompute of each day (default: {ROWS}; {QUICK_ROWS} with --quick)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="S", help="decides which rows are drawn")
    group.add_argument(
        "--probe",
        choices=("all", "recompute", "append"),
        default="all",
        help="recompute: rows of each day; append: rebuild the last day from a copy of the input with later rows added",
    )
    group.add_argument(
        "--quick",
        action="store_true",
        help=f"a first answer: of the days at most {QUICK_DAYS}, spread evenly, and no append probe; what is "
        "left out is said",
    )


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
