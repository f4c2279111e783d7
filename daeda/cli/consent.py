"""What a run is about to do with days, and whether it may: on a terminal, published ones are replaced by consent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from daeda.dataset.layout import Dataset, Layout
from daeda.errors import DaedaError, counted, shortened
from daeda.flags.parser import was_given
from daeda.planning.days import Action, DayPlan
from daeda.process.messages import ask, say


class Declined(DaedaError):
    """The user said no: exit code 1, and nothing has been done."""


def told_counts(plans: Mapping[Dataset, Sequence[DayPlan]]) -> str:
    """`2 days would be replaced, 3 extended and 1 built`; empty where nothing is to be done.

    A day counts once. It is extended where its skeleton is, be it from a lower version, and replaced where anything
    else published of it is.
    """
    verbs: dict[str, int] = {}
    for of_day in zip(*plans.values(), strict=True):
        actions = {plan.action for plan in of_day}
        if Action.EXTEND in actions or any(plan.extension is not None for plan in of_day):
            verb = "extended"
        elif Action.REBUILD in actions:
            verb = "replaced"
        elif Action.BUILD in actions:
            verb = "built"
        else:
            continue
        verbs[verb] = verbs.get(verb, 0) + 1
    told = [f"{verbs[verb]} {verb}" for verb in ("replaced", "extended", "built") if verb in verbs]
    if not told:
        return ""
    number, _, verb = told[0].partition(" ")
    first = f"{counted(int(number), 'day')} would be {verb}"
    return " and ".join([", ".join([first, *told[1:-1]]), *told[1:][-1:]])


def require_consent(plans: Mapping[Dataset, Sequence[DayPlan]], arguments: argparse.Namespace, layout: Layout) -> None:
    """Say on a terminal what would be done, and ask before published days are replaced; raises Declined for a no.

    Nobody is asked without a terminal, nor where --yes or --on-stale has answered.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    told = told_counts(plans)
    if told:
        say(told)
    stale = [plan for planned in plans.values() for plan in planned if plan.replaces]
    if not stale or arguments.yes or was_given(arguments, "on_stale"):
        return
    days = sorted({plan.day for plan in stale})
    say(f"published and stale: {shortened(days, 4)}; the first because {shortened(stale[0].reasons, 3)}")
    if not ask("replace them?"):
        next_dir = layout.of_version(layout.version + 1).version_dir
        raise Declined(
            f"nothing was done: the published days of {layout.title} stay; keep them with --on-stale keep, or raise "
            f"'version' of the service, whose days then stand beside these, below {next_dir}"
        )
