"""Splits of a service whose labels look ahead: far enough apart that no label of one sees the days of the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from daeda.catalog.service import FeatureService
from daeda.compiler.resolved import Resolved
from daeda.errors import counted
from daeda.operators.temporal import Label
from daeda.settings.splits import in_order


def splits_too_close(service: FeatureService, labels: Iterable[Label]) -> Iterator[tuple[str, str]]:
    """Splits that the longest of the labels reaches from the split before, each with a sentence.

    A label of the last instant of a day sees gap and window of what follows, in whole days rounded up. What matures
    later is no later row, so `matures_after` does not count.
    """
    by_reach = {label.reach.nanoseconds or 0: label for label in labels}
    if not by_reach or service.overlapping_labels == "allow":
        return
    longest = by_reach[max(by_reach)]
    wanted = longest.reach.days or 0
    for (name, days), (later, following) in pairwise(in_order(service.splits)):
        between = (following.first - days.last).days - 1
        if between < wanted:
            yield (
                later,
                f"the splits '{name}' ({days}) and '{later}' ({following}) are {counted(wanted - between, 'day')} too "
                f"close: '{longest.name}' looks {longest.reach} ahead, which takes {counted(wanted, 'whole day')} "
                f"between them, and there {'is' if between == 1 else 'are'} {between}: move them apart, or say "
                "overlapping_labels: allow",
            )


def check_splits_apart(resolved: Resolved) -> None:
    """No label of a split looks into the next one, those that only expressions read among them."""
    labels = [label for _, label in resolved.labels.values()]
    for name, what in splits_too_close(resolved.project.service, labels):
        resolved.mistakes.add(resolved.project.where("service", ("splits", name)), what)
