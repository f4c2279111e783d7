"""`python -m bench.fuzz --examples 1000`: inputs that nobody means, by strategy.

Whatever the files hold, a command ends with 0 and is right, or with 2 and sentences; everything else is a finding, and
hypothesis shrinks it.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.fuzz import file_trees, footers, manifests, staging, yaml_files
from bench.fuzz.findings import Findings
from bench.machine import describe_machine

RESULT = Path(__file__).parents[1] / "results/fuzz.json"
Strategy = Callable[[int, int, Findings], None]
STRATEGIES: dict[str, Strategy] = {
    **{f"yaml of {service}": functools.partial(yaml_files.run, service) for service in yaml_files.PROJECTS},
    "file trees": file_trees.run,
    "footers": footers.run,
    "manifests": manifests.run,
    "staging": staging.run,
}


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Run the strategies and write the result, which keeps what it has of others; returns 1 after a finding."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=1_000, metavar="N", help="examples of each strategy")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="decides which")
    parser.add_argument("--strategy", choices=list(STRATEGIES), action="append", help="one alone (default: all)")
    parser.add_argument("--result", type=Path, default=RESULT, metavar="FILE")
    chosen = parser.parse_args(arguments)
    path: Path = chosen.result
    before = json.loads(path.read_text(encoding="utf-8"))["strategies"] if path.exists() else {}
    report: dict[str, Any] = {"workload": "fuzz", "machine": describe_machine(), "strategies": before}
    wrong = 0
    for name in chosen.strategy or STRATEGIES:
        findings = Findings()
        started = time.perf_counter()
        try:
            STRATEGIES[name](chosen.examples, chosen.seed, findings)
        except Exception as error:  # noqa: BLE001 - whatever a command lets through is the finding
            findings.wrong += _told(error)
        wrong += len(findings.wrong)
        seconds = round(time.perf_counter() - started, 1)
        report["strategies"][name] = {"seed": chosen.seed, "seconds": seconds, **findings.report()}
        say(f"{name}: {findings.examples} examples, {dict(findings.outcomes)}, {len(findings.wrong)} findings")
        for text in findings.wrong:
            say(text)
        # After each strategy: a run that is stopped leaves what it has done.
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


def _told(error: BaseException) -> list[str]:
    """Each failure with the example that shows it, which hypothesis adds as notes."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in _told(inner)]
    example = " ".join(getattr(error, "__notes__", ()))
    return [f"{type(error).__name__}: {str(error)[:1000]} {example[:1000]}"]


if __name__ == "__main__":
    sys.exit(main())
