"""`daeda verify`: whether published days are what was published."""

from __future__ import annotations

import argparse

from daeda.answers.published import DamagedDay, VerifyAnswer
from daeda.catalog.project import open_project
from daeda.cli.tags_told import size_told
from daeda.dataset.layout import layout_of
from daeda.dataset.selection import parse_selector
from daeda.dataset.verified import verified_days
from daeda.errors import InputError, counted, shortened
from daeda.flags.days import days_of_words
from daeda.process.messages import answer, say


def verify(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code, 1 where something is not what was published."""
    selector = parse_selector(arguments.service)
    layout, tag = selector.open(layout_of(open_project(arguments, selector.service)))
    wanted = days_of_words(arguments.days) if arguments.days else None
    looked = list(verified_days(layout, tag, wanted))
    if wanted is not None:
        missing = sorted(set(wanted) - {one.day for one in looked})
        if missing:
            raise InputError(f"{layout.title} has no day {shortened(missing, 6)}: correct --days, or leave it out")
    if not looked:
        raise InputError(f"no day is published in {layout.version_dir}: correct --output-root, or train")
    damaged = [one for one in looked if one.problems]
    if arguments.json:
        answer(
            VerifyAnswer(
                service=layout.service,
                version=layout.version,
                tag=layout.tag,
                days=len(looked),
                parts=sum(one.parts for one in looked),
                size=sum(one.size for one in looked),
                damaged=tuple(
                    DamagedDay(
                        dataset=one.dataset,
                        day=one.day,
                        directory=str(layout.day_dir(one.dataset, one.day)),
                        problems=one.problems,
                    )
                    for one in damaged
                ),
            ).text()
        )
    else:
        for one in damaged:
            answer(f"{layout.day_dir(one.dataset, one.day)}: {shortened(one.problems, 6)}")
    parts, size = sum(one.parts for one in looked), sum(one.size for one in looked)
    told = f"{layout.title}: {counted(len(looked), 'day')}, {counted(parts, 'part')}, {size_told(size)}"
    if damaged:
        say(f"{told}: {counted(len(damaged), 'day')} not as published", "error")
    else:
        say(f"{told}: all as published")
    return 1 if damaged else 0
