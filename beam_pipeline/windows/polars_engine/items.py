"""Items of an entity that are the same: the newest distinct ones of each window, how many there are, the most frequent.

Row j is the newest of its item in `[lo, hi)` exactly when the next row with the same item, `following[j]`, is `hi` or
later. Long windows are cut into aligned blocks of 2^k rows. Of a block only those rows matter whose item does not come
again before the block ends; they are filtered once per k, and few where few items come again and again:

    rows       a b a a b a c a | ...     k = 3: b, c and the last a are left
    following  2 4 3 5 - 7 - -
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from beam_pipeline.windows.polars_engine.lists import Picked, collected, counts_of, expanded, newest, numbered_in
from beam_pipeline.windows.polars_engine.windows import Windows, running_count, wide

# (probe, row) pairs that are expanded at a time: bounds the memory, about 100 bytes each.
PAIR_BUDGET = 1 << 20
# Level of the shortest blocks, and their rows: less is looked at row by row.
_SHORT_LEVEL = 7
_SHORT = 1 << _SHORT_LEVEL
# Where more of the rows come again, hardly a window is without one: it is not looked for.
_REPEATED = 0.125
# Where more of the windows have to be searched, all are: to put both kinds together costs about as much.
_SEARCHED = 0.5
_NARROW_BITS = 62
_ALL = 2**62


@dataclass(frozen=True)
class Items:
    """The rows of a column without NULLs, told apart by entity (non-decreasing) and item."""

    entity: pl.Series
    values: pl.Series

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def _sorted(self) -> pl.DataFrame:
        """The rows by entity, item and row, with `next`: the row of the same item that comes next, if there is one."""
        codes, limit = _codes(self.values, len(self))
        key = self.entity.rle_id().cast(pl.Int64) * limit + codes
        frame = pl.DataFrame({"key": key}).select("key", row=pl.int_range(pl.len()))
        bits = len(self).bit_length()
        if _greatest(key).bit_length() + bits <= _NARROW_BITS:
            # Sorting one integer that carries the row is several times faster than sorting rows by keys.
            packed = frame.select(pl.col("key") * 2**bits + pl.col("row")).to_series().sort()
            frame = pl.DataFrame({"packed": packed}).select(
                key=pl.col("packed") // 2**bits, row=pl.col("packed") & (2**bits - 1)
            )
        else:
            frame = frame.sort("key", "row")
        again = pl.col("key") == pl.col("key").shift(-1)
        return frame.select("row", next=pl.when(again).then(pl.col("row").shift(-1)).otherwise(len(self)))

    @cached_property
    def following(self) -> pl.Series:
        """Per row the next one of the same entity and item, the number of rows if there is none."""
        return _by_row(self._sorted["row"], self._sorted["next"])

    @cached_property
    def preceding(self) -> pl.Series:
        """Per row the one before it of the same entity and item, -1 if there is none."""
        first = (self._sorted["next"] == len(self)).shift(1, fill_value=True)
        before = pl.DataFrame({"row": self._sorted["row"], "first": first}).select(
            pl.when("first").then(-1).otherwise(pl.col("row").shift(1))
        )
        return _by_row(self._sorted["row"], before.to_series())

    @cached_property
    def position(self) -> pl.Series:
        """Per row its position in the order of entity, item and row."""
        return _by_row(self._sorted["row"], pl.select(pl.int_range(len(self))).to_series())

    @cached_property
    def group(self) -> pl.Series:
        """Per row the number of its entity and item, in their order."""
        return _by_row(self._sorted["row"], self._numbers)

    @cached_property
    def _numbers(self) -> pl.Series:
        return running_count(self._sorted["next"] == len(self)).head(len(self))

    def rows_before(self, group: pl.Series, row: pl.Series) -> pl.Series:
        """The position of the first row of a group at `row` or after it, else the position behind the group."""
        keys = self._numbers * len(self) + self._sorted["row"]
        return keys.search_sorted(group * len(self) + row, side="left").cast(pl.Int64)


def _codes(values: pl.Series, rows: int) -> tuple[pl.Series, int]:
    """Numbers in `[0, limit)` that are equal exactly where the values are, and the limit."""
    if values.dtype.is_integer() and rows:
        least, greatest = int(values.min()), int(values.max())  # type: ignore[arg-type]
        if (greatest - least).bit_length() < 31:
            return (values.cast(pl.Int128) - wide(least)).cast(pl.Int64), greatest - least + 1
    return values.rank("dense").cast(pl.Int64), rows + 1


def _greatest(values: pl.Series) -> int:
    return 0 if values.is_empty() else int(values.max())  # type: ignore[arg-type]


def _by_row(row: pl.Series, values: pl.Series) -> pl.Series:
    """`values`, which belong to rows in any order, in the order of the rows."""
    return pl.zeros(len(row), pl.Int64, eager=True).scatter(row, values.cast(pl.Int64))


def newest_distinct(items: Items, windows: Windows, max_length: int, *, newest_first: bool) -> Picked:
    """The newest `max_length` distinct items of each window, each at its newest row.

    Of a window without a row whose item comes again these are its newest rows; the others are searched.
    """
    repeated = items.following < len(items.following)
    if int(repeated.sum()) > len(repeated) * _REPEATED:
        return _searched(items, windows, windows.frame(), max_length, newest_first=newest_first)
    again = running_count(repeated)
    comes_again = again.gather(windows.hi) > again.gather(windows.lo)
    if not comes_again.any():
        return newest(windows, max_length, newest_first=newest_first)
    if int(comes_again.sum()) > len(windows) * _SEARCHED:
        return _searched(items, windows, windows.frame(), max_length, newest_first=newest_first)
    found = _searched(items, windows, windows.frame().filter(comes_again), max_length, newest_first=newest_first)
    kept = pl.min_horizontal(pl.col("hi") - pl.col("lo"), min(max_length, 2**62))
    frame = windows.frame().with_columns(found=found.lengths, searched=comes_again)
    frame = frame.select("hi", "found", length=pl.when("searched").then("found").otherwise(kept))
    rows = expanded(frame, pl.col("hi") - pl.col("length"), pl.col("hi"), newest=newest_first)["row"]
    begin = frame.select("found", begin=pl.col("length").cum_sum() - pl.col("length"))
    places = expanded(begin, pl.col("begin"), pl.col("begin") + pl.col("found"))["row"]
    return Picked(rows.scatter(places, found.rows), frame["length"])


def _searched(items: Items, windows: Windows, probes: pl.DataFrame, max_length: int, *, newest_first: bool) -> Picked:
    """The distinct items of those of the windows that are `probes`; the lists of the others are empty."""
    search = _Search(items.following, max_length)
    cut = blocks(probes, max(2 * max_length, 2 * _SHORT))
    picks = [pick for some in cut for pick in search.run(some)]
    return collected(picks, len(windows), newest_first=newest_first)


def most_frequent(items: Items, windows: Windows, max_length: int, *, newest_first: bool) -> Picked:
    """The `max_length` most frequent items of each window, most frequent first, ties to the newest."""
    search = _Search(items.following, _ALL)
    picks = []
    for probes in blocks(windows.frame(), _ALL):
        rows = pl.concat(search.run(probes))
        before = items.rows_before(items.group.gather(rows["row"]), windows.lo.gather(rows["p"]))
        ordered = _by_frequency(rows.select("p", "row", times=items.position.gather(rows["row"]) - before))
        placed = ordered.select("p", position=numbered_in("p"), row="row")
        picks.append(placed.filter(pl.col("position") < max_length))
    return collected(picks, len(windows), newest_first=newest_first)


def _by_frequency(counted: pl.DataFrame) -> pl.DataFrame:
    """Columns p and row of a frame with `times`, by p, the greatest times first, of equal ones the greatest row."""
    most = [_greatest(counted[name]) for name in ("p", "times", "row")]
    bits = [number.bit_length() for number in most]
    if sum(bits) > _NARROW_BITS:
        return counted.sort("p", "times", "row", descending=[False, True, True])
    times, row = most[1] - pl.col("times"), most[2] - pl.col("row")
    key = counted.select((pl.col("p") * 2 ** bits[1] + times) * 2 ** bits[2] + row).to_series().sort()
    return pl.DataFrame({"key": key}).select(
        p=pl.col("key") // 2 ** (bits[1] + bits[2]), row=most[2] - (pl.col("key") & (2 ** bits[2] - 1))
    )


def distinct_counts(items: Items, windows: Windows) -> pl.Series:
    """How many different items each window has: its rows whose item did not come before in it."""
    preceding = items.preceding
    # Where a window begins with its entity, these are the rows whose item never came before.
    firsts = running_count(preceding < 0)
    begins = pl.concat([items.entity.ne_missing(items.entity.shift(1)), pl.Series([True])])
    whole = windows.frame().with_columns(begins=begins.gather(windows.lo))
    whole = whole.with_columns(count=firsts.gather(windows.hi) - firsts.gather(windows.lo))
    cut = whole.filter(~pl.col("begins") & (pl.col("hi") > pl.col("lo"))).select("p", "lo", "hi")
    counted = [whole.filter("begins").select("p", "count")]
    short = pl.col("hi") - pl.col("lo") <= _SHORT
    for probes in blocks(cut.filter(short), _SHORT):
        pairs = expanded(probes, pl.col("lo"), pl.col("hi"), "p", "lo")
        counted.append(pairs.filter(preceding.gather(pairs["row"]) < pairs["lo"]).group_by("p").agg(count=pl.len()))
    counted.append(_count_in_tree(preceding, cut.filter(~short)))
    counts = pl.concat([some.select("p", pl.col("count").cast(pl.Int64)) for some in counted])
    every = pl.select(p=pl.int_range(len(windows)))
    return every.join(counts, on="p", how="left", maintain_order="left")["count"].fill_null(0)


def _count_in_tree(preceding: pl.Series, probes: pl.DataFrame) -> pl.DataFrame:
    """Per probe the rows of its window whose predecessor stands before it: columns p and count.

    A window is a union of blocks of 2^k rows, at most two of each k: those that stick out of the block twice as long,
    on its left and on its right. In a block the predecessors are sorted, so that one search counts.
    """
    stride = len(preceding) + 1
    rows = pl.DataFrame({"before": preceding + 1}).select("before", row=pl.int_range(pl.len()))
    open_ = probes.select("p", "lo", left="lo", right="hi", count=pl.lit(0, pl.Int64))
    done, level = [], 0
    while open_.height:
        keys = rows.select(pl.col("row") // 2**level * stride + pl.col("before")).to_series().sort()
        for side, block in (("left", pl.col("left")), ("right", pl.col("right") - 1)):
            odd = (pl.col("left") < pl.col("right")) & (pl.col(side) % 2 == 1)
            asked = open_.select(pl.when(odd).then(block * stride + pl.col("lo") + 1).otherwise(0)).to_series()
            below = keys.search_sorted(asked, side="left").cast(pl.Int64)
            more = below - pl.select(begin=open_.select(block).to_series() * 2**level).to_series()
            step = 1 if side == "left" else -1
            open_ = open_.with_columns(
                pl.when(odd).then(pl.col("count") + more).otherwise("count").alias("count"),
                pl.when(odd).then(pl.col(side) + step).otherwise(side).alias(side),
            )
        open_ = open_.with_columns(pl.col("left") // 2, pl.col("right") // 2)
        inside = pl.col("left") < pl.col("right")
        done.append(open_.filter(~inside).select("p", "count"))
        open_, level = open_.filter(inside), level + 1
    return pl.concat(done) if done else pl.DataFrame(schema={"p": pl.Int64, "count": pl.Int64})


class _Search:
    """Finds the newest distinct items of windows, going back from block to block; `most` of each are enough."""

    def __init__(self, following: pl.Series, most: int) -> None:
        self._most = most
        every = pl.DataFrame({"next": following}).select(row=pl.int_range(pl.len()), next="next")
        # Per level the rows whose item does not come again before their block of 2^level rows ends.
        self._levels = [every]

    def run(self, probes: pl.DataFrame) -> list[pl.DataFrame]:
        """Rows of the frame `probes` (p, lo, hi) as p, position (how many newer items the probe has) and row.

        The blocks of a window grow by powers of two and then shrink again, aligned all the way: a node for each level
        of a tree over the rows on either side.
        """
        picks: list[pl.DataFrame] = []
        back = pl.col("hi") - min(2 * self._most, _SHORT)
        first = pl.max_horizontal("lo", back // _SHORT * _SHORT)
        open_ = probes.with_columns(cursor="hi", items=pl.lit(0, pl.Int64))
        open_ = self._look(open_.with_columns(begin=first), 0, picks)
        longest = _greatest(open_["cursor"] - open_["lo"])
        levels = range(_SHORT_LEVEL, longest.bit_length())
        # On the way up only blocks that stick out of those twice as long; on the way down what is left, level by level.
        sticks_out = [(level, (pl.col("cursor") // 2**level) % 2 == 1) for level in levels]
        for level, wanted in (*sticks_out, *((level, pl.lit(True)) for level in reversed(levels))):
            size = 2**level
            fits = wanted & (pl.col("cursor") % size == 0) & (pl.col("cursor") - size >= pl.col("lo"))
            chosen = open_.filter(fits).with_columns(begin=pl.col("cursor") - size)
            if chosen.height:
                open_ = pl.concat([open_.filter(~fits), self._look(chosen, level, picks)])
        self._look(open_.with_columns(begin="lo"), 0, picks)
        return picks

    def _look(self, probes: pl.DataFrame, level: int, picks: list[pl.DataFrame]) -> pl.DataFrame:
        """Look at the rows of a level from `cursor` down to `begin`; returns the probes that go on from there.

        Of a block never more than `most` rows are looked at. A row of it whose item comes again before `hi` has been
        taken already, at a newer row: among the newest `most` there are at least as many new items as are missing.
        """
        rows = self._level(level)
        ends = [probes["begin"], probes["cursor"]]
        if level:
            ends = [rows["row"].search_sorted(end, side="left").cast(pl.Int64) for end in ends]
            ends[0] = pl.select(pl.max_horizontal(ends[0], ends[1] - self._most)).to_series()
        looked = probes.select("hi", position=pl.int_range(pl.len()), since=ends[0], until=ends[1])
        pairs = expanded(looked, pl.col("since"), pl.col("until"), "position", "hi", newest=True)
        # What is kept of a probe stands together, so that numbers within it follow from how many each one has.
        kept = pairs.filter(rows["next"].gather(pairs["row"]) >= pairs["hi"])
        counts = counts_of(kept["position"])
        more = pl.zeros(len(probes), pl.Int64, eager=True).scatter(counts["p"], counts["rows"])
        numbered = (probes["items"] + more - more.cum_sum()).gather(kept["position"])
        owner, row = probes["p"].gather(kept["position"]), rows["row"].gather(kept["row"])
        kept = kept.select(p=owner, position=numbered + pl.int_range(pl.len()), row=row)
        probes = probes.with_columns(items=pl.col("items") + more, cursor="begin")
        picks.append(kept.filter(pl.col("position") < self._most))
        return probes.filter((pl.col("items") < self._most) & (pl.col("cursor") > pl.col("lo"))).drop("begin")

    def _level(self, level: int) -> pl.DataFrame:
        while len(self._levels) <= level:
            size = 2 ** len(self._levels)
            self._levels.append(self._levels[-1].filter(pl.col("next") >= (pl.col("row") // size + 1) * size))
        return self._levels[level]


def blocks(probes: pl.DataFrame, longest: int) -> Iterator[pl.DataFrame]:
    """Cut the probes so that about PAIR_BUDGET pairs are expanded at a time, at most `longest` per probe."""
    probes = probes.filter(pl.col("hi") > pl.col("lo"))
    pairs = probes.select(pl.min_horizontal(pl.col("hi") - pl.col("lo"), longest).cum_sum() // PAIR_BUDGET).to_series()
    begin = 0
    for rows in counts_of(pairs)["rows"]:
        yield probes.slice(begin, rows)
        begin += rows
