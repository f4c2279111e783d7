"""`python -m daeda_audit`: what `daeda audit leakage` runs in a process of its own."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping, Sequence

from daeda.answers.findings import AuditAnswer, AuditedColumn
from daeda.catalog.project import Project, open_project
from daeda.dataset.layout import DATASETS, layout_of
from daeda.errors import InputError, UsageError, counted, shortened
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import ANSWER, AUDIT, AUDIT_INPUTS, DAYS, OUTPUT, PROJECT, QUICK_DAYS, QUICK_ROWS, ROWS
from daeda.process.messages import answer, run_command, say, warn
from daeda.process.parent_watch import watch_parent
from daeda.storage.objects import before_the_first_day
from daeda_audit.declared import declared_columns, hand_edited, read_views
from daeda_audit.inputs.external import ExternalInputs, work_directory
from daeda_audit.probes.later_rows import failing, probe_later_rows, summary, why_impossible
from daeda_audit.probes.recomputation import SampleSize, check_day
from daeda_audit.probes.run import AuditRun
from daeda_audit.published.configuration import changed_configuration, read_configuration, refuse_gone_partitions
from daeda_audit.published.days import PublishedDay, changed_inputs, gone_inputs, opened, published_days
from daeda_audit.published.stores import changed_stores
from daeda_audit.report import Findings, Progress, example, examples, table
from daeda_audit.rules.spine import filters_of_the_day

# More than a century: longer ranges take seconds to be written out, and are no days that were published.
_MOST_DAYS = 40_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the published days of a service; returns the exit code."""
    watch_parent()
    # A chain of conditions is as deep as it is long, and an expression may have 10,000 characters.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 30_000))
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str]) -> int:
    parser = StrictParser(
        prog="python -m daeda_audit",
        description="Recompute sampled rows of published days by a slow path, and compare.",
    )
    parser.add_argument("service")
    add_flags(parser, PROJECT, OUTPUT, AUDIT, AUDIT_INPUTS, ANSWER)
    arguments = parser.parse_strictly(words)
    if arguments.quick and arguments.probe == "append":
        raise UsageError("--quick leaves the append probe out, and --probe append asks for it alone: give one of them")
    project = open_project(arguments, arguments.service)
    # What object storage refuses is no leak, and exit code 2.
    with before_the_first_day(), work_directory() as directory:
        return audit(project, arguments, ExternalInputs(project, arguments, directory))


def audit(project: Project, arguments: argparse.Namespace, external: ExternalInputs) -> int:
    """Run the probes that were asked for; returns the exit code."""
    declared = declared_columns(project)
    _tell_what_is_judged(project)
    days = _chosen_days(project, arguments, external)
    configuration = read_configuration(arguments.configuration)
    for day, datasets in days.items():
        if differences := changed_configuration(configuration, datasets):
            _warn_of_another(day, f"another configuration ({shortened(differences, 2)})")
    findings, changes = Findings(), Findings()
    recompute, append = arguments.probe != "append", arguments.probe != "recompute" and not arguments.quick
    sample_size = SampleSize(arguments.rows or (QUICK_ROWS if arguments.quick else ROWS), arguments.seed)
    with Progress(list(days) if recompute else [], append=append) as progress:
        run = AuditRun(project, declared, external, arguments, progress)
        for day, datasets in days.items() if recompute else ():
            _check(run, day, datasets, sample_size, findings)
        for line in (*table(findings), *examples(findings)) if recompute else ():
            say(line)
        if append:
            _probe_later_rows(run, list(days.values())[-1], changes)
    summary_line = _summary(project, days, arguments.quick, findings, changes)
    passed = not (findings.mismatches or failing(changes))
    if arguments.json:
        summary_line = AuditAnswer(
            service=project.service.name,
            days=tuple(days),
            passed=passed,
            recomputed=_columns(findings),
            appended=_columns(changes),
            summary=summary_line,
        ).text()
    answer(summary_line)
    return 0 if passed else 1


def _columns(findings: Findings) -> tuple[AuditedColumn, ...]:
    return tuple(
        AuditedColumn(
            column=line.column,
            checked=line.checked,
            mismatches=line.mismatches,
            note=line.note,
            example=tuple(example(line)),
        )
        for line in findings.lines.values()
    )


def _warn_of_another(day: dt.date, source: str) -> None:
    warn(f"{day} was built from {source}: mismatches may come from that; build the day again", day=day)


def _probe_later_rows(run: AuditRun, datasets: Sequence[PublishedDay], changes: Findings) -> None:
    skeleton = next((published for published in datasets if published.dataset == "skeleton"), None)
    if skeleton is None:
        sentence = f"{datasets[0].day} has no skeleton to compare with: build it with `daeda pipeline train`"
        if run.arguments.probe == "append":
            raise InputError(f"append probe: {sentence}")
        say(f"append probe: {sentence}")
        return
    if (impossible := why_impossible(run, skeleton)) is not None:
        if run.arguments.probe == "append":
            raise InputError(f"append probe: {impossible}: audit with --probe recompute")
        say(f"append probe: {impossible}")
        return
    with opened([skeleton]):
        probe = probe_later_rows(run, skeleton, changes)
    for line in (summary(probe, skeleton), *table(changes, "changed"), *examples(changes)):
        say(line)


def _check(
    run: AuditRun, day: dt.date, datasets: Sequence[PublishedDay], sample_size: SampleSize, findings: Findings
) -> None:
    project, raws = run.project, run.external.views(datasets)
    exports = run.external.exports(datasets).values()
    changed = [path for published in datasets for path in changed_inputs(published, exports)]
    gone = [path for published in datasets for path in gone_inputs(published)]
    refuse_gone_partitions(day, [raws[view.name] for view in read_views(project)], gone)
    for paths, what in ((changed, "other bytes of {}"), (gone, "{}, gone since")):
        if paths:
            _warn_of_another(day, what.format(shortened(paths, 2)))
    for what in changed_stores(project, datasets):
        _warn_of_another(day, what)
    for verdict in (one for published in datasets for one in published.manifest.checks if one.outcome == "failed"):
        say(f"note: {day} broke the check '{verdict.check}' when it was judged: {verdict.found}", day=day)
    raws.list_files(view.name for view in read_views(project))
    with opened(datasets):
        sample = check_day(run, raws, day, datasets, sample_size, findings)
    raws.check_at_rest()
    run.progress.day_done()
    strata = ", ".join(f"{name} {number}" for name, number in sample.strata.items())
    say(
        f"{day}: {len(sample.indices):,} of {counted(sample.rows, 'row')} recomputed{f' ({strata})' if strata else ''}",
        day=day,
        rows=len(sample.indices),
    )


def _tell_what_is_judged(project: Project) -> None:
    edited = hand_edited(project)
    if edited is not None:
        say(
            f"note: {edited.relative_to(project.root)} is a hand-edited pipeline: the audit judges by the feature "
            "views and the service, and a column that was changed by hand shows as a mismatch"
        )
    for judge in filters_of_the_day(project):
        say(f"note: {judge} judges a row by the rest of its day: which rows there are sees the future")


def _chosen_days(
    project: Project, arguments: argparse.Namespace, external: ExternalInputs
) -> dict[dt.date, list[PublishedDay]]:
    asked = [day for word in arguments.days or () for day in _days(word)]
    published = published_days(layout_of(project), asked, external.days)
    if not asked:
        _tell_what_is_missing(project, published)
    if arguments.quick:
        return _quick_days(published)
    if asked or len(published) <= DAYS:
        return published
    listed = list(published)
    spread = _spread(listed, DAYS)
    say(f"{len(listed)} days are published: {shortened(spread)} are audited; name others with --days")
    return {day: published[day] for day in spread}


def _tell_what_is_missing(project: Project, days: Mapping[dt.date, Sequence[PublishedDay]]) -> None:
    """Days of the range that are not published, in a dataset that has others."""
    for dataset in DATASETS:
        there = {day for day, datasets in days.items() if any(of_day.dataset == dataset for of_day in datasets)}
        missing = [day for day in project.runtime.days if day not in there]
        if there and missing:
            say(
                f"note: {counted(len(missing), 'day')} of the range not published in {dataset}, and left out: "
                f"{shortened(missing)}"
            )


def _quick_days(published: dict[dt.date, list[PublishedDay]]) -> dict[dt.date, list[PublishedDay]]:
    """A few of the days; what is left out is said."""
    spread = _spread(list(published), QUICK_DAYS)
    left = [day for day in published if day not in spread]
    if left:
        days = f"{counted(len(left), 'day')} ({shortened(left)})"
        say(f"quick: {days} and the append probe are left out: audit without --quick for them")
    else:
        say("quick: the append probe is left out: audit without --quick for it")
    return {day: published[day] for day in spread}


def _spread(days: Sequence[dt.date], most: int) -> list[dt.date]:
    """At most so many of the days, the first and the last among them."""
    if len(days) <= most:
        return list(days)
    step = (len(days) - 1) / (most - 1)
    return [days[round(step * index)] for index in range(most)]


def _days(word: str) -> list[dt.date]:
    """The days of `2024-01-02` or of `2024-01-02..2024-01-05`."""
    first, _, last = word.partition("..")
    try:
        start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError as error:
        raise UsageError(f"--days '{word}' is not a day: write YYYY-MM-DD, or YYYY-MM-DD..YYYY-MM-DD") from error
    if end < start:
        raise UsageError(f"--days '{word}' ends before it begins: swap its ends")
    number = (end - start).days + 1
    if number > _MOST_DAYS:
        raise UsageError(
            f"--days '{word}' has {number:,} days, and a range at most {_MOST_DAYS:,}: name those published"
        )
    return [start + dt.timedelta(days=offset) for offset in range(number)]


def _summary(
    project: Project, days: dict[dt.date, list[PublishedDay]], quick: bool, findings: Findings, changes: Findings
) -> str:
    sentences = []
    if findings.lines:
        values = sum(line.checked for line in findings.lines.values())
        wrong = [line.column for line in findings.lines.values() if line.mismatches]
        sentences.append(
            f"{counted(values, 'value')} recomputed, {_number(findings.mismatches, 'mismatch')}{_in(wrong)}"
        )
    if changes.lines:
        rows = max(line.checked for line in changes.lines.values())
        changed = failing(changes)
        number = sum(changes.lines[name].mismatches for name in changed)
        sentences.append(
            f"{counted(rows, 'row')} rebuilt with later rows added, {_number(number, 'change')}{_in(changed)}"
        )
    sentences = sentences or ["no row to compare"]
    name = f"{'quick ' if quick else ''}leakage audit of {project.service.name}, {counted(len(days), 'day')}"
    return f"{name}: {'; '.join(sentences)}"


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "es" if what.endswith("h") else "s")


def _in(columns: Sequence[str]) -> str:
    return f" in {shortened(columns)}" if columns else ""
