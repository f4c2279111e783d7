"""Windows and labels as commented YAML."""

from __future__ import annotations

from daeda.init_project.days import seconds
from daeda.init_project.proposal import Label, Proposal, Windows
from daeda.init_project.view_yaml import entity_yaml
from daeda.init_project.windows import measures_of
from daeda.init_project.yaml_text import comment, flow, scalar

_DAY_SECONDS = 86_400
_MOST_SPARE = 6


def aggregations_yaml(proposal: Proposal) -> str:
    """The file of windows and labels."""
    lines = comment(
        "Windows of history. An event at time t sees [t - window, t): never itself. Proposed by `daeda init`."
    )
    history = flow({"view": scalar(proposal.events.name)})
    if proposal.windows is None:
        lines += comment("aggregation_specs: a window needs a key that comes again.")
    else:
        lines += ["aggregation_specs:", *_aggregations(proposal, proposal.windows, history)]
    label = proposal.label
    if label is not None and not label.of_field:
        lines += ["", *comment("What comes after: an event at time t sees (t, t + window]. No feature can read it.")]
        lines += ["label_specs:", *_label(proposal, label, history)]
    return "\n".join(lines) + "\n"


def _aggregations(proposal: Proposal, windows: Windows, history: str) -> list[str]:
    entity = scalar(windows.entity)
    lines = comment(f"{windows.reason[:1].upper()}{windows.reason[1:]}.", 2) if windows.reason else []
    listed = f"[{', '.join(windows.windows)}]"
    lines += [_spec(count_name(windows), entity, history, kind="count", windows=listed)]
    lines += _mean(windows, entity, history)
    spare = [one.name for one in measures_of(proposal.events) if one.name != windows.measure][:_MOST_SPARE]
    if spare:
        lines += comment(f"Others that may be averaged: {', '.join(spare)}. Kinds: sum, min, max, std, last, list …", 2)
    return lines


def _label(proposal: Proposal, label: Label, history: str) -> list[str]:
    windows = proposal.windows
    entity = scalar(windows.entity) if windows else entity_yaml(*proposal.events.entities[0])
    lines = []
    more = {"matures_after": label.matures_after} if label.matures_after else {}
    if more:
        lines += comment("matures_after: 99 % of the rows were known so long after their time.", 2)
    what = {"column": scalar(label.measure), "kind": "mean"} if label.measure else {"kind": "any"}
    return [
        *lines,
        _spec(label.name, entity, history, **what, windows=f"[{label.window}]", **more),
        *comment("Kinds: any, count, until_first for how long it takes, mean, sum …; where: a condition on the row", 2),
    ]


def _spec(name: str, entity: str, history: str, **more: str) -> str:
    return f"  - {flow({'name': name, 'entity': entity, 'history': history, **more})}"


def _mean(windows: Windows, entity: str, history: str) -> list[str]:
    chosen = mean_windows(windows)
    if not chosen:
        return []
    lines, more = [], {}
    if windows.late:
        lines += comment(
            f"{windows.measure} is predicted, or named like an outcome, known when the event is over: a value counts a "
            "day after its event only. Remove `available` where it is known at once.",
            2,
        )
        more = {"available": "{after: 1d}"}
    listed = f"[{', '.join(chosen)}]"
    name, column = mean_name(windows), scalar(windows.measure)
    return [*lines, _spec(name, entity, history, column=column, kind="mean", windows=listed, **more)]


def count_name(windows: Windows) -> str:
    """The name of the counts."""
    return f"{windows.entity}_events"


def mean_name(windows: Windows) -> str:
    """The name of the means."""
    return f"{windows.entity}_{windows.measure}_mean"


def mean_windows(windows: Windows) -> tuple[str, ...]:
    """The windows of the mean: where values count a day late, the longer ones."""
    if not windows.measure:
        return ()
    return tuple(one for one in windows.windows if not windows.late or seconds(one) > _DAY_SECONDS)
