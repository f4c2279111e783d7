"""The table of one day of the service dssm_ranking, as its contract says, by the slow path.

What the YAML of the root project declares is written down here a second time, by hand.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import lance
import pyarrow.parquet as pq

from .embedding import avg_pool, load, lookup
from .labels import label
from .point_in_time import point_in_time
from .rolling import rolling
from .values import order_key, scan

MS_PER_HOUR = 3_600_000
MS_PER_DAY = 24 * MS_PER_HOUR
FEED_EVENTS = ["user_id", "artwork_id", "event", "event_timestamp", "aes_score", "tack_ids", "feed_session"]
ARTWORK_PROPERTIES = [
    "artwork_id",
    "event_timestamp",
    "created_at",
    "author_id",
    "model_id",
    "content_rating",
    "published_at",
]
USER_PROFILE = ["user_id", "updated_at", "country", "plan", "signup_at", "favourite_tack_ids"]
GRAIN = ["user_id", "artwork_id"]
COLUMNS = [
    "user_id",
    "artwork_id",
    "event_timestamp",
    "feed_session",
    "event",
    "label_like",
    "label_dislike",
    "came_back_to_author_1d",
    "hour_of_day",
    "country",
    "plan",
    "account_age_days",
    "favourite_tack_ids",
    "like_artwork_ids_7d",
    "like_author_ids_7d",
    "like_artwork_tack_ids_7d",
    "dislike_artwork_ids",
    "likes_1d",
    "likes_7d",
    "shown_1d",
    "shown_7d",
    "like_rate_7d",
    "like_aes_score_mean_7d",
    "hours_since_last_like",
    "history_7d_artwork_id",
    "history_7d_event",
    "history_7d_age",
    "author_id",
    "model_id",
    "content_rating",
    "artwork_age_hours",
    "aes_score",
    "tack_ids",
    "artwork_likes_1d",
    "artwork_likes_7d",
    "artwork_shown_7d",
    "artwork_like_rate_7d",
    "author_likes_7d",
    "author_artwork_ids_30d",
    "image_embedding",
    "like_artwork_avg_embeds",
]


def expected_day(data_dir, day):
    """The names of the columns, and the rows as tuples, in order; `day` is a date or YYYY-MM-DD.

    A vector is a list of floats, each the exact value of its float16.
    """
    data = Path(data_dir)
    day = date.fromisoformat(day) if isinstance(day, str) else day
    feed = partitions(data / "feed_events", day)
    properties = [
        {"event_timestamp": row.pop("valid_from"), **row} for row in partitions(data / "artwork_properties", day)
    ]
    rows = spine_rows(data, feed, day)
    for row, known in zip(rows, artwork_columns(rows, properties), strict=True):
        row.update(known)
    for row, known in zip(rows, user_columns(data, rows), strict=True):
        row.update(known)
    for name, values in rolling_columns(rows, feed, properties).items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    for row, came_back in zip(rows, label_column(data, rows, day), strict=True):
        row["came_back_to_author_1d"] = came_back
    store = vectors(data)
    for row in rows:
        derive(row)
        fill_defaults(row)
        row["image_embedding"] = as_floats(lookup(row["artwork_id"], store))
        row["like_artwork_avg_embeds"] = as_floats(avg_pool(row["like_artwork_ids_7d"], store))
    return list(COLUMNS), [tuple(row[name] for name in COLUMNS) for row in rows]


def partitions(directory, last):
    """The rows of all partitions up to `last`, inclusive."""
    rows = []
    for part in sorted(directory.glob("dt=*")):
        if part.name <= f"dt={last.isoformat()}":
            for file in sorted(part.glob("*.parquet")):
                rows.extend(pq.read_table(file, partitioning=None).to_pylist())
    return scan(rows)


def spine_rows(data, feed, day):
    """The day's rows of whole visits, without refreshes, of artworks that have a vector; in the order of the spine."""
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    of_day = [row for row in feed if start <= row["event_timestamp"] < start + MS_PER_DAY]
    visits = {}
    for row in of_day:
        if row["user_id"] is not None and row["feed_session"] is not None:
            visits.setdefault((row["user_id"], row["feed_session"]), []).append(row)
    covered = {row["artwork_id"] for row in pq.read_table(data / "covered_artworks.parquet").to_pylist()}
    kept = []
    for visit in visits.values():
        opinions = [row for row in visit if row["event"] in ("like", "dislike")]
        if len(visit) >= 10 and len(opinions) >= 1:
            kept += [dict(row) for row in visit if row["event"] != "refresh" and row["artwork_id"] in covered]
    order = ["event_timestamp", *GRAIN]
    order += [name for name in FEED_EVENTS if name not in order]
    return sorted(kept, key=lambda row: [order_key(row[name]) for name in order])


def artwork_columns(rows, properties):
    """What was known of the artwork just before."""
    return point_in_time(
        rows,
        properties,
        ["artwork_id"],
        "event_timestamp",
        "event_timestamp",
        created="created_at",
        columns=["author_id", "model_id", "content_rating", "published_at"],
        declared=ARTWORK_PROPERTIES,
    )


def user_columns(data, rows):
    """The profile just before, at most 180 days old; both times in microseconds."""
    profiles = pq.read_table(data / "user_profile.parquet").to_pylist()
    for profile in profiles:
        profile["updated_at"] = (profile["updated_at"] - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    return point_in_time(
        [{**row, "now": row["event_timestamp"] * 1000} for row in rows],
        profiles,
        ["user_id"],
        "now",
        "updated_at",
        ttl=180 * MS_PER_DAY * 1000,
        columns=["country", "plan", "signup_at", "favourite_tack_ids"],
        declared=USER_PROFILE,
    )


def rolling_columns(rows, feed, properties):
    """What was done with artworks, and published, in the windows before each row."""
    likes = [row for row in feed if row["event"] == "like"]
    dislikes = [row for row in feed if row["event"] == "dislike"]
    shown = [row for row in feed if row["event"] in ("like", "dislike", "open", "skip")]
    authored = with_authors(likes, properties)
    published = [row for row in properties if row["event_timestamp"] == row["published_at"]]

    def over(history, entity, kind, days, column=None, max_length=None, declared=FEED_EVENTS, created=None, **sequence):
        return rolling(
            rows,
            history,
            [entity],
            "event_timestamp",
            "event_timestamp",
            kind,
            column=column,
            window=None if days is None else days * MS_PER_DAY,
            max_length=max_length,
            created=created,
            declared=declared,
            **sequence,
        )

    def history_of(**one):
        return over(shown, "user_id", "sequence", 7, max_length=64, apart=True, **one)

    return {
        "like_artwork_ids_7d": over(likes, "user_id", "last_distinct", 7, "artwork_id", 32),
        "like_author_ids_7d": over(
            authored, "user_id", "last_distinct", 7, "author_id", 32, declared=[*FEED_EVENTS, "author_id"]
        ),
        "like_artwork_tack_ids_7d": over(likes, "user_id", "flatten_distinct", 7, "tack_ids", 50),
        "dislike_artwork_ids": over(dislikes, "user_id", "last_distinct", None, "artwork_id", 64),
        "likes_1d": over(likes, "user_id", "count", 1),
        "likes_7d": over(likes, "user_id", "count", 7),
        "shown_1d": over(shown, "user_id", "count", 1),
        "shown_7d": over(shown, "user_id", "count", 7),
        "history_7d_artwork_id": history_of(columns=["artwork_id"]),
        "history_7d_event": history_of(columns=["event"]),
        "history_7d_age": history_of(age="age"),
        "like_aes_score_mean_7d": over(likes, "user_id", "mean", 7, "aes_score"),
        "last_like_timestamp": over(likes, "user_id", "last", 7, "event_timestamp"),
        "artwork_likes_1d": over(likes, "artwork_id", "count", 1),
        "artwork_likes_7d": over(likes, "artwork_id", "count", 7),
        "artwork_shown_7d": over(shown, "artwork_id", "count", 7),
        "author_likes_7d": over(authored, "author_id", "count", 7, declared=[*FEED_EVENTS, "author_id"]),
        "author_artwork_ids_30d": over(
            published, "author_id", "last_distinct", 30, "artwork_id", 16, ARTWORK_PROPERTIES, "created_at"
        ),
    }


def with_authors(reactions, properties):
    """Who was known to be the author at the time of each reaction."""
    authors = point_in_time(
        reactions,
        properties,
        ["artwork_id"],
        "event_timestamp",
        "event_timestamp",
        created="created_at",
        columns=["author_id"],
        declared=ARTWORK_PROPERTIES,
    )
    return [{**reaction, **author} for reaction, author in zip(reactions, authors, strict=True)]


def label_column(data, rows, day):
    """Whether the user opens or likes a work of the author from an hour after until a day after."""
    later = day + timedelta(days=1)
    reactions = [row for row in partitions(data / "feed_events", later) if row["event"] in ("like", "open")]
    properties = [
        {"event_timestamp": row.pop("valid_from"), **row} for row in partitions(data / "artwork_properties", later)
    ]
    return label(
        rows,
        with_authors(reactions, properties),
        ["user_id", "author_id"],
        "event_timestamp",
        "event_timestamp",
        "any",
        23 * MS_PER_HOUR,
        gap=MS_PER_HOUR,
        declared=[*FEED_EVENTS, "author_id"],
    )


def derive(row):
    """The derived columns: NULL where something that they read is NULL, or where they would divide by 0."""
    now = row["event_timestamp"]
    row["label_like"] = 1 if row["event"] == "like" else 0
    row["label_dislike"] = 1 if row["event"] == "dislike" else 0
    row["hour_of_day"] = now // MS_PER_HOUR % 24
    row["account_age_days"] = None if row["signup_at"] is None else (now - row["signup_at"]) / MS_PER_DAY
    row["artwork_age_hours"] = None if row["published_at"] is None else (now - row["published_at"]) / MS_PER_HOUR
    last = row["last_like_timestamp"]
    row["hours_since_last_like"] = None if last is None else (now - last) / MS_PER_HOUR
    row["like_rate_7d"] = row["likes_7d"] / row["shown_7d"] if row["shown_7d"] else None
    row["artwork_like_rate_7d"] = row["artwork_likes_7d"] / row["artwork_shown_7d"] if row["artwork_shown_7d"] else None


def fill_defaults(row):
    """What stands where nothing is known."""
    defaults = {"country": "unknown", "plan": "free", "model_id": 0, "content_rating": "unknown"}
    for name, default in {**defaults, "favourite_tack_ids": [], "tack_ids": []}.items():
        if row[name] is None:
            row[name] = default


def vectors(data):
    """The store, at its first version."""
    table = lance.dataset(str(data / "artwork_embeddings.lance"), version=1).to_table()
    return load(zip(table["artwork_id"].to_pylist(), table["vector"].to_pylist(), strict=True))


def as_floats(vector):
    """Exact: every float16 is a double."""
    return None if vector is None else [float(value) for value in vector]
