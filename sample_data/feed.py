"""The feed of one day: visits, their pages, and what the user did with each artwork of a page."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sample_data.artworks import FIRST_ID, Artworks
from sample_data.options import DAY_MS, Options, draw, zipf

PAGE = 8
MOST_PAGES = 25
VISITS_PER_USER = 0.6

SCHEMA = pa.schema(
    {
        "user_id": pa.int64(), "artwork_id": pa.int64(), "event": pa.string(), "event_timestamp": pa.int64(),
        "aes_score": pa.float64(), "tack_ids": pa.list_(pa.int64()), "feed_session": pa.string(),
    }
)  # fmt: skip


def visits_that_begin_on(options: Options, artworks: Artworks, taste: np.ndarray, day: int) -> pa.Table:
    """Events of the visits that begin on a day; the last of them go on into the next day.

    A few users come very often, most seldom (Zipf). Each page begins with a refresh, which has no artwork, and its
    artworks are logged together: many rows of a user share one millisecond. Some rows are there twice, and some have no
    session.
    """
    random = options.random(7, day)
    visits = int(random.poisson(VISITS_PER_USER * options.users))
    user = draw(random, zipf(options.users, 0.9), visits)
    # More in the evening than in the morning, and some just before midnight.
    of_day = (random.beta(2.5, 1.6, visits) * (DAY_MS - 1)).astype(np.int64)
    at_night = DAY_MS - random.integers(1, 300_000, visits)
    begin = options.start_ms + day * DAY_MS + np.where(random.random(visits) < 0.04, at_night, of_day)
    pages = np.minimum(random.geometric(0.35, visits), MOST_PAGES)

    visit = np.repeat(np.arange(visits), pages)
    number = np.arange(len(visit)) - np.repeat(np.cumsum(pages) - pages, pages)
    page_time = begin[visit] + number * random.integers(20_000, 90_000, visits)[visit]
    lost = random.random(len(visit)) < 0.01

    page = np.repeat(np.arange(len(visit)), PAGE)
    late = np.where(random.random(len(page)) < 0.4, random.integers(1_000, 15_000, len(page)), 0)
    time = page_time[page] + late
    artwork, shown = _choose(random, artworks, page_time[page])
    event = _reaction(random, artworks.style[artwork] == taste[user[visit[page]]])

    names = np.array([f"{day:05d}-{number:06d}" for number in range(visits)] or [""], dtype=object)
    rows = pa.concat_tables(
        [
            _table(user[visit] + 1, None, np.full(len(visit), "refresh"), page_time, names[visit], lost, artworks),
            _table(user[visit[page]] + 1, artwork, event, time, names[visit[page]], lost[page], artworks).filter(
                pa.array(shown)
            ),
        ]
    )
    again = np.flatnonzero(random.random(rows.num_rows) < 0.005)
    rows = pa.concat_tables([rows, rows.take(again)])
    # As a log arrives: in no order.
    return rows.take(random.permutation(rows.num_rows)).combine_chunks()


def _choose(random: np.random.Generator, artworks: Artworks, when: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An artwork for each place of a page, and whether there is one: half are new, half are popular."""
    there = np.searchsorted(artworks.published, when, side="right")
    rank = draw(random, zipf(len(artworks), 1.05), len(when))
    new = np.maximum(there - 1 - rank, 0)
    popular = artworks.popular[rank]
    chosen = np.where((random.random(len(when)) < 0.5) | (popular >= there), new, popular)
    return chosen, there > 0


def _reaction(random: np.random.Generator, fits: np.ndarray) -> np.ndarray:
    """What the user did: likes are five times as frequent where the style fits."""
    like = np.where(fits, 0.25, 0.05)
    dislike = np.where(fits, 0.005, 0.03)
    number = random.random(len(fits))
    thresholds = [number < like, number < like + dislike, number < like + dislike + 0.15]
    return np.select(thresholds, ["like", "dislike", "open"], "skip")


def _table(
    user: np.ndarray,
    artwork: np.ndarray | None,
    event: np.ndarray,
    time: np.ndarray,
    session: np.ndarray,
    lost: np.ndarray,
    artworks: Artworks,
) -> pa.Table:
    """Rows of the feed; with no artwork, there is neither a score nor a list of tacks."""
    if artwork is None:
        nothing = [pa.nulls(len(user), field.type) for field in (SCHEMA.field(1), SCHEMA.field(4), SCHEMA.field(5))]
        ids, score, tacks = nothing
    else:
        ids, tacks = pa.array(FIRST_ID + artwork), artworks.tacks.take(pa.array(artwork))
        score = pa.array(artworks.score[artwork], mask=np.isnan(artworks.score[artwork]))
    columns = [
        pa.array(user), ids, pa.array(event.tolist(), pa.string()), pa.array(time), score, tacks,
        pa.array(session.tolist(), pa.string(), mask=lost),
    ]  # fmt: skip
    return pa.table(columns, schema=SCHEMA)
