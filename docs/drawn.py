"""The pictures that are drawn: what a row sees, serving time, the DAG, a day's life, and a small one of each kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from docs.drawing import WIDTH, Clock, Picture

_SMALL = {"width": 132, "height": 40}


def row() -> Picture:
    """What a row sees: the picture of the README."""
    picture = Picture(
        "A purchase at the time t. Left of t is what was known before it: a window counts all purchases of the 28"
        " days before, and a look-up takes the newest price. Right of t is what came after it, which only the "
        "label reads.",
        218,
    )
    now, axis = 214, 120
    picture.area(34, 62, now, 150, "zone")
    picture.area(now + 2, 62, 346, 150, "ahead")
    picture.write(WIDTH / 2, 22, "what a row at the time t sees", "strong", "middle")
    picture.write(124, 50, "features: before t", "", "middle")
    picture.write(282, 50, "label: after t", "", "middle")
    purchases = ((22, "off"), (60, "on"), (96, "on"), (130, "on"), (178, "on"), (252, "later"), (318, "later"))
    prices = ((50, "off"), (110, "off"), (160, "on"), (214, "off"), (270, "off"))
    for y, dots in ((axis - 24, purchases), (axis + 14, prices)):
        picture.line(12, y, 348, y)
        for x, look in dots:
            picture.dot(x, y, look)
    picture.line(now, 58, now, 158, "now")
    picture.write(now, 174, "t", "strong", "middle")
    picture.write(38, 81, "purchases", "small")
    picture.write(38, 121, "prices", "small")
    picture.write(14, 192, "purchases_28d = 4", "small")
    picture.write(14, 209, "price: the newest before t", "small")
    picture.write(346, 192, "bought_again_28d = true", "small", "end")
    return picture


def window() -> Picture:
    """Which rows a window has."""
    picture = Picture(
        "A window of one hour that ends at 10:00. A row at 08:40 lies before it. Rows at 09:00, 09:20 and 09:40 "
        "count: the window includes its begin. A row at 10:00 does not count, because the window ends before the "
        "row's own time, and one at 10:15 lies in the future.",
        168,
    )
    clock = Clock(8 * 60 + 30, 10 * 60 + 20)
    _between(picture, clock, "09:00", "10:00", "window: 1h", "zone")
    _rows(picture, clock, {"09:00", "09:20", "09:40"}, {"08:40", "10:00", "10:15"}, "on")
    picture.write(WIDTH / 2, 150, "[t - 1h, t): its begin counts, t does not", "small", "middle")
    return picture


def look_up() -> Picture:
    """Which row a look-up takes, with ties and times at which rows became known."""
    picture = Picture(
        "Prices of one product. At 09:00 it costs 3.99. At 09:30 there are two rows, 4.19 and 4.29: a tie. A row "
        "of 09:40, 4.49, became known only at 10:20. A row of 10:00 says 4.59. A purchase at 10:00 gets 4.29: of "
        "the rows before it that were known before it the newest, and of the tie the greater one. 4.49 was not "
        "known yet, and 4.59 is of the very time of the purchase.",
        300,
    )
    clock = Clock(8 * 60 + 50, 10 * 60 + 30)
    picture.now(clock.at("10:00"), 30, 262, "t = 10:00")
    lanes = (
        ("3.99", "09:00", "09:00", "older"),
        ("4.19", "09:30", "09:30", "the lesser of a tie"),
        ("4.29", "09:30", "09:30", "taken"),
        ("4.49", "09:40", "10:20", "known at 10:20"),
        ("4.59", "10:00", "10:00", "at t itself"),
    )
    for number, (price, time, known, why) in enumerate(lanes):
        y = 52 + 46 * number
        picture.write(12, y, price, "strong")
        picture.write(52, y, why, "small")
        picture.line(10, y + 16, 350, y + 16)
        picture.dot(clock.at(time), y + 16, "on" if why == "taken" else "off")
        if known != time:
            picture.line(clock.at(time) + 6, y + 16, clock.at(known), y + 16, "now dashed")
            picture.line(clock.at(known), y + 9, clock.at(known), y + 23, "now")
    for time in ("09:00", "09:30", "10:00", "10:20"):
        picture.write(clock.at(time), 284, time, "small", "middle")
    return picture


def label() -> Picture:
    """Which rows a label has."""
    picture = Picture(
        "A label with a gap of one hour and a window of two hours, of a row at 10:00: it sees rows after 11:00 up"
        " to and including 13:00. A row at 11:00 is not seen, those at 11:30 and 13:00 are, one at 13:30 is not.",
        168,
    )
    clock = Clock(9 * 60 + 40, 13 * 60 + 40)
    _between(picture, clock, "11:00", "13:00", "window: 2h", "ahead")
    picture.write((clock.at("10:00") + clock.at("11:00")) / 2, 60, "gap: 1h", "small", "middle")
    _rows(picture, clock, {"11:30", "13:00"}, {"11:00", "13:30"}, "later")
    picture.write(WIDTH / 2, 150, "(t + 1h, t + 3h]: its begin does not count, its end does", "small", "middle")
    return picture


def _between(picture: Picture, clock: Clock, begin: str, end: str, text: str, look: str) -> None:
    """A window from one time to another."""
    picture.area(clock.at(begin), 40, clock.at(end), 104, look)
    picture.write((clock.at(begin) + clock.at(end)) / 2, 60, text, "", "middle")


def _rows(picture: Picture, clock: Clock, seen: set[str], unseen: set[str], look: str) -> None:
    """The axis with t at 10:00, and a dot for each row."""
    picture.line(10, 84, 350, 84)
    picture.now(clock.at("10:00"), 34, 110, "t = 10:00")
    for time in sorted(seen | unseen):
        picture.dot(clock.at(time), 84, look if time in seen else "off")
        picture.write(clock.at(time), 122, time, "small", "middle")


def serving() -> Picture:
    """Three times of a row."""
    picture = Picture(
        "Three times of one row. It happened at 09:50, its event time. It reached you at 09:51, its known time. "
        "Serving can use it ten minutes later, from 10:01 on. A training row at 10:00 does not see it, though it "
        "is known; one at 10:02 does.",
        214,
    )
    clock = Clock(9 * 60 + 46, 10 * 60 + 8)
    for number, (time, what) in enumerate((("09:50", "it happened"), ("09:51", "known"), ("10:01", "serving has it"))):
        y = 44 + 42 * number
        picture.area(clock.at(time), y - 6, 350, y + 6, "zone")
        picture.line(10, y, 350, y)
        picture.dot(clock.at(time), y, "on")
        ends = number == 2
        place = clock.at("10:00") - 8 if ends else clock.at(time)
        picture.write(place, y - 12, f"{time} {what}", "", "end" if ends else "start")
    picture.line(clock.at("10:00"), 20, clock.at("10:00"), 150, "now dashed")
    picture.line(clock.at("10:02"), 20, clock.at("10:02"), 150, "now")
    picture.write(clock.at("10:00") - 2, 168, "a row at 10:00 does not see it", "small", "end")
    picture.write(350, 188, "a row at 10:02 does", "small", "end")
    picture.write(12, 206, "available: {after: 10m}", "small")
    return picture


def dag() -> Picture:
    """The operators of a service."""
    picture = Picture(
        "The operators of a service, from above to below. A scan reads the rows of the day. A point-in-time join "
        "looks prices up, a rolling aggregate makes windows of the rows before, a label aggregate labels of the "
        "rows after; each has a scan of its own beside it. A projection puts the columns in order, and a sink "
        "writes the day of the skeleton; all of that is Beam and DuckDB. Where there are vectors, Ray and Lance "
        "fill them in, and a second sink writes the enriched day.",
        458,
    )
    rows = picture.box(8, 12, 206, 54, "scan", "rows of the day")
    look_ups = picture.box(8, 78, 206, 120, "pit_join", "the newest price before t")
    windows = picture.box(8, 144, 206, 186, "rolling_aggregate", "windows that end before t")
    labels = picture.box(8, 210, 206, 252, "label_aggregate", "windows that begin after t")
    columns = picture.box(8, 276, 206, 300, "project")
    skeleton = picture.box(8, 324, 206, 366, "sink", "skeleton/dt=2025-01-01")
    enriched = picture.box(8, 404, 206, 446, "ray_udf_transform, sink", "enriched/dt=2025-01-01")
    chain = (rows, look_ups, windows, labels, columns, skeleton, enriched)
    for box, below in itertools.pairwise(chain):
        picture.down(107, box, below)
    for beside, what in ((look_ups, "prices"), (windows, "history, back"), (labels, "history, ahead")):
        picture.box(234, beside.top, 352, beside.bottom, "scan", what)
        middle = (beside.top + beside.bottom) / 2
        picture.arrow(234, middle, 206, middle)
    picture.write(216, 341, "Beam and DuckDB,", "small")
    picture.write(216, 357, "a day at a time", "small")
    picture.write(115, 390, "where there are vectors", "small")
    picture.write(216, 421, "Ray and Lance,", "small")
    picture.write(216, 437, "part by part", "small")
    return picture


def day() -> Picture:
    """What becomes of a day."""
    picture = Picture(
        "A day's life: it waits until its labels are known, then it is built aside and published whole by one "
        "rename. It is fresh while nothing changes and is skipped. When an input or a definition changes it is "
        "stale, and is extended or built again. A tag keeps it as it is; prune removes it when nothing needs it.",
        356,
    )
    waits = picture.box(20, 12, 180, 54, "waits", "labels are not known")
    built = picture.box(20, 88, 180, 130, "is built", "aside, in _staging")
    published = picture.box(20, 164, 180, 206, "published", "whole, by one rename")
    stale = picture.box(20, 240, 180, 282, "stale", "something changed")
    for box, below, why in (
        (waits, built, "its labels are known"),
        (built, published, "checked"),
        (published, stale, "an input or a definition"),
    ):
        picture.down(100, box, below)
        picture.write(108, below.top - 12, why, "small")
    picture.line(180, 261, 348, 261)
    picture.line(348, 261, 348, 109)
    picture.arrow(348, 109, 180, 109)
    picture.write(340, 104, "extended, or built again", "small", "end")
    picture.arrow(180, 178, 222, 178)
    picture.write(228, 182, "skipped while", "small")
    picture.write(228, 198, "nothing changed", "small")
    picture.line(20, 190, 10, 190)
    picture.line(10, 190, 10, 305)
    picture.arrow(10, 305, 10, 322)
    picture.write(8, 340, "tag: kept as it is", "small")
    picture.write(348, 340, "prune: removed, when unneeded", "small", "end")
    return picture


def architecture() -> Picture:
    """The packages and what goes from one to the next."""
    picture = Picture(
        "YAML goes through catalog and compiler of the package daeda to a DAG of operators. The command line "
        "plans, and starts a process for each half: beam_pipeline builds days from history and windows and writes"
        " the skeleton, enrich fills in vectors by Ray from a Lance store and writes the enriched days. "
        "daeda_audit recomputes what was published.",
        336,
    )
    yaml = picture.box(90, 10, 270, 34, "YAML")
    driver = picture.box(20, 56, 340, 114, "daeda", "catalog → compiler → operator DAG", "cli → planning")
    skeleton = picture.box(8, 150, 172, 208, "beam_pipeline", "pipeline → day →", "history → windows")
    enrichment = picture.box(188, 150, 352, 208, "enrich", "job → ray →", "part → store")
    days = picture.box(8, 240, 172, 264, "skeleton/dt=…")
    enriched = picture.box(188, 240, 352, 264, "enriched/dt=…")
    audit = picture.box(90, 300, 270, 326, "daeda_audit")
    for x, box, below in (
        (180, yaml, driver),
        (100, driver, skeleton),
        (260, driver, enrichment),
        (90, skeleton, days),
        (270, enrichment, enriched),
    ):
        picture.down(x, box, below)
    picture.write(108, 138, "a process", "small")
    picture.write(252, 138, "a process", "small", "end")
    picture.arrow(172, 252, 188, 252)
    picture.arrow(180, audit.top, 180, enriched.bottom, "line dashed")
    picture.write(188, 286, "recomputes published rows", "small")
    return picture


def kinds() -> Mapping[str, Picture]:
    """A small picture of each kind of column."""
    return {
        "kind-spine": _dots("one dot at t", (), now="on"),
        "kind-static": _static(),
        "kind-point_in_time": _dots("the newest dot before t is filled", (0, 0, 1), after=1),
        "kind-rolling": _dots(
            "all dots of a window that ends before t are filled", (0, 1, 1), after=1, zone=(38, 76, "zone")
        ),
        "kind-label": _dots(
            "all dots of a window that begins behind t are filled", (0, 0), after=2, ahead=True, zone=(80, 126, "ahead")
        ),
        "kind-derived": _boxes("two boxes lead to a third", "+"),
        "kind-udf": _boxes("two boxes lead to a third by a function", "f"),
        "kind-embedding": _vectors(),
    }


def _dots(
    text: str, before: tuple[int, ...], *, after: int = 0, now: str = "", ahead: bool = False,
    zone: tuple[float, float, str] | None = None,
) -> Picture:  # fmt: skip
    picture = Picture(text, **_SMALL)
    if zone is not None:
        picture.area(zone[0], 6, zone[1], 34, zone[2])
    picture.line(4, 20, 128, 20)
    picture.line(78, 4, 78, 36, "now")
    for number, filled in enumerate(before):
        picture.dot(20 + 24 * number, 20, "on" if filled else "off")
    if now:
        picture.dot(78, 20, now)
    for number in range(after):
        picture.dot(94 + 22 * number, 20, "later" if ahead else "off")
    return picture


def _static() -> Picture:
    picture = Picture("a line without times", **_SMALL)
    picture.area(10, 10, 122, 30, "zone")
    picture.line(10, 20, 122, 20, "line dashed")
    return picture


def _boxes(text: str, sign: str) -> Picture:
    picture = Picture(text, **_SMALL)
    picture.area(6, 4, 34, 17, "box")
    picture.area(6, 23, 34, 36, "box")
    picture.write(54, 25, sign, "strong", "middle")
    picture.arrow(68, 20, 92, 20)
    picture.area(96, 12, 126, 28, "zone")
    return picture


def _vectors() -> Picture:
    picture = Picture("ids lead to rows of numbers", **_SMALL)
    for number in range(2):
        y = 6 + 16 * number
        picture.area(6, y, 30, y + 12, "box")
        picture.arrow(34, y + 6, 52, y + 6)
        for place in range(5):
            picture.area(58 + 14 * place, y, 69 + 14 * place, y + 12, "zone")
    return picture


DRAWN: Mapping[str, Callable[[], Picture]] = {
    "row": row, "window": window, "look-up": look_up, "label": label, "serving": serving, "dag": dag, "day": day,
    "architecture": architecture,
}  # fmt: skip


def pictures() -> Mapping[str, Picture]:
    """All of them, by the names of their files."""
    return {name: make() for name, make in DRAWN.items()} | dict(kinds())
