"""What is told on the way: what files hold, and what is proposed of it, in lines of at most 80 characters."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from daeda.errors import RowsRejected, counted, shortened
from daeda.importing.last_day import shown_instant
from daeda.importing.ledger import REJECTED
from daeda.init_project.data import ViewData
from daeda.init_project.proposal import Proposal, View
from daeda.init_project.service_yaml import lacking_keys, lacking_labels
from daeda.init_project.tables import Table
from daeda.init_project.times import OPEN_END, is_open_end

_WIDTH = 80
Say = Callable[[str], None]


def tell_tables(tables: Sequence[Table], say: Say) -> None:
    """A line for each table."""
    width = min(30, max(len(table.shown) for table in tables))
    for table in tables:
        nulls = f", {'/'.join(table.null_texts)} is NULL" if table.null_texts else ""
        rows = counted(table.rows, "row") + (f" looked at, of {size(table.size)}" if table.partial else "")
        say(f"{table.shown:<{width}}  {rows}, {counted(len(table.columns), 'column')}{nulls}")
        for name, example in table.comma_columns:
            _tell(say, "", f"{name} has values like {example}: taken as numbers with a decimal comma")
        for name, sentence in table.told:
            _tell(say, "", f"{name} has {sentence}")
        for column in table.columns:
            if is_open_end(column):
                _tell(say, "", f"{column.name} {OPEN_END}")


def size(number: int) -> str:
    """Bytes for people.

    >>> size(3 * 2**30), size(512)
    ('3.0 GiB', '512 B')
    """
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def tell_proposal(proposal: Proposal, say: Say) -> None:
    """What is proposed, and what was seen that speaks for it."""
    say("")
    events, windows, label = proposal.events, proposal.windows, proposal.label
    _tell(say, "events", f"the rows of {events.name}")
    assert events.time is not None
    zone = "" if events.time.zoned or not events.time.has_clock else f", taken as {events.zone}"
    _tell(say, "time", f"{events.time.name}: {events.time.why}{zone}")
    if events.created or events.after:
        known = (
            f"at {events.created}: {events.reasons['created']}" if events.created else f"{events.after} after its time"
        )
        _tell(say, "known", known)
    _tell(say, "whose", f"{events.keys[0]}: {events.reasons['entity']}")
    for view in proposal.views:
        if view.role in ("look-up", "static"):
            _tell(say, "look-up", _look_up(view))
    if windows is not None:
        lengths = " and ".join(windows.windows)
        _tell(say, "windows", f"{lengths}{': ' if windows.reason else ''}{windows.reason}")
    if label is not None:
        _tell(say, "label", label.asked(events.keys[0]))
        for lacking in filter(None, (lacking_labels(proposal), lacking_keys(proposal))):
            _tell(say, "", lacking)
    if proposal.predictable:
        others = f"others: --predict {', '.join(proposal.predictable)}"
        _tell(say, "" if label is not None else "label", others if label is not None else f"none; {others}")
    for sentence in proposal.sentences:
        _tell(say, "not", sentence)
    say("")


def tell_end(view: View, data: ViewData, last: dt.date, say: Say) -> None:
    """That the last day is not whole, and which one is built instead."""
    if data.until is None:
        return
    ends = f"{data.last} has rows up to {shown_instant(data.until)} only"
    _tell(say, "last day", f"{view.name}: {ends}, and days end later: it is not a whole one, so the range ends {last}")


def told_of_rejected(root: Path, data: Mapping[str, ViewData], allowed: int | None) -> str:
    """What to do about rows that were kept aside; empty without such rows, or where so many of a file are allowed.

    Raises RowsRejected where more of a file are than are allowed, for then nothing of the project is to stay.
    """
    count = sum(one.aside for one in data.values())
    most = max((one.most_aside for one in data.values()), default=0)
    if count == 0 or (allowed is not None and most <= allowed):
        return ""
    what = f"{counted(count, 'row')} {'does' if count == 1 else 'do'} not fit"
    without = f"--max-rejected {most} does without them"
    if allowed is not None:
        raise RowsRejected(f"{what}, and nothing was written: repair the files, or say how they are read; {without}")
    places = shortened([str(root / one.path / REJECTED) for one in data.values() if one.aside], 3)
    them = "it is" if count == 1 else "they are"
    return (
        f"{what}, and what fits is imported: {them} in {places}, with line and reason; go on without, or repair "
        f"the files and import them again; {without}"
    )


def _look_up(view: View) -> str:
    when = "the newest row before" if view.role == "look-up" else "for all time"
    if view.after and view.reasons["created"]:
        when += f" that is {view.after} old, for {view.reasons['created']}"
    features = shortened(view.features, 4) if view.features else "nothing but the key"
    return f"{view.name} by {', '.join(view.keys)}, {when}: {features}; {view.reasons['join']}"


def _tell(say: Say, subject: str, text: str) -> None:
    # A number and its sign stay on one line.
    kept = textwrap.wrap(text.replace(" %", "\u00a0%"), _WIDTH - 10, break_on_hyphens=False)
    lines = [line.replace("\u00a0%", " %") for line in kept] or [""]
    say(f"{subject:<8}  {lines[0]}")
    for line in lines[1:]:
        say(f"{'':<10}{line}")
