"""Words in names of columns, and what they speak for: evidence beside the values, and never proof."""

from __future__ import annotations

from collections.abc import Iterable

# When something happens, by how plainly a name says so.
HAPPENS = {
    "timestamp": 4, "ts": 4, "datetime": 4, "time": 3, "when": 3, "occurred": 3, "happened": 3, "ordered": 3, "date": 2,
    "at": 2, "event": 2, "hour": 2, "start": 2, "started": 2, "begin": 2, "begins": 2, "order": 2, "purchase": 2,
    "purchased": 3, "invoice": 2, "transaction": 2, "visit": 1, "created": 1, "creation": 1, "day": 1,
    "valid": 1,    "from": 1, "since": 1, "sched": 1, "scheduled": 1,
}  # fmt: skip
# When something else ends, long after the row came to be.
ENDS = frozenset({
    "end", "ended", "ends", "finish", "finished", "deliver", "delivered", "delivery", "arr", "arrival", "arrived",
    "returned", "return", "ship", "shipped", "shipping", "due", "until", "close", "closed", "completed", "resolved",
    "cancelled", "canceled", "expires", "expiry", "expiration", "to", "paid", "settled", "last", "estimated",
    "approved",
})  # fmt: skip
# When something began that is no event of the table: parts of words count, too.
LONG_AGO = ("birth", "born", "dob", "signup", "registr", "joined", "hired", "founded", "release", "publish")
# When a row became known.
KNOWN = frozenset({
    "ingested", "ingest", "inserted", "loaded", "received", "recorded", "processed", "logged", "known", "created",
    "written", "stored", "synced", "updated", "modified",
})  # fmt: skip
# What says how something went, which nobody knows when it begins.
OUTCOMES = frozenset({
    "delay", "delayed", "arr", "arrival", "arrived", "actual", "outcome", "result", "final", "delivered", "delivery",
    "completed", "returned", "refunded", "refund", "cancelled", "canceled", "resolved", "closed", "ended", "end",
    "duration", "elapsed", "settled", "paid", "won", "lost", "churn", "churned", "converted", "conversion", "fraud",
    "chargeback", "label", "target", "review", "status", "air", "booked",
})  # fmt: skip
# What is fixed before it happens: `plan` and `booked` are as often what came of it, a tariff that was taken or a sale.
PLANNED = frozenset({"sched", "scheduled", "planned", "crs"})
# What of an outcome may be planned, and what compares a plan with what came of it.
_ENDINGS = frozenset({"arr", "arrival", "end", "delivery", "duration", "elapsed", "air"})
DEVIATES = frozenset({
    "actual", "delay", "delayed", "vs", "versus", "diff", "difference", "delta", "deviation", "deviated", "gap",
    "error", "outcome", "result", "late", "early", "missed", "met", "cancelled", "canceled",
})  # fmt: skip
# What a table without a time has counted up to today.
TALLIES = frozenset({
    "avg", "average", "mean", "count", "counts", "cnt", "total", "totals", "sum", "lifetime", "ltv", "cumulative",
    "votes", "rating", "ratings", "reviews", "popularity", "rank", "ranking", "score", "orders", "purchases", "visits",
    "clicks", "views", "sales", "sold", "revenue", "spend", "spent", "balance", "current", "latest", "last", "streak",
})  # fmt: skip
# Parts of a time, each in a column of its own.
YEAR, MONTH = frozenset({"year", "yr", "yyyy"}), frozenset({"month", "mon", "mm"})
DAY = frozenset({"day", "dd", "mday", "dayofmonth"})
HOUR, MINUTE = frozenset({"hour", "hr", "hh"}), frozenset({"minute", "minutes", "min", "mi"})
PARTS = YEAR | MONTH | DAY | HOUR | MINUTE | frozenset({"second", "week", "weekday", "quarter"})
# The end of a name that is a key, and what it may be the key of; who does something comes before what it is done to.
KEY_ENDS = frozenset({"id", "key", "code", "uuid", "guid", "no", "num", "nr", "number", "sku", "ean", "isbn", "hash"})
SUBJECTS = (
    "user", "customer", "client", "account", "member", "household", "visitor", "subscriber", "patient", "player",
    "person", "employee", "driver", "vehicle", "car", "tail", "sensor", "device", "machine", "meter", "host", "card",
    "session",
)  # fmt: skip
OBJECTS = (
    "product", "item", "article", "movie", "film", "track", "song", "artist", "author", "seller", "vendor", "merchant",
    "store", "shop", "stock", "station", "room", "team", "airport", "origin", "dest", "destination", "carrier",
    "airline", "category", "campaign", "ad", "page", "symbol", "ticker", "region", "city", "country", "line", "route",
    "asset", "warehouse", "branch", "plant", "location", "zone",
)  # fmt: skip
# What is measured, counted or paid.
MEASURES = frozenset({
    "amount", "price", "value", "total", "quantity", "qty", "score", "rating", "delay", "temp", "temperature", "count",
    "spend", "sales", "revenue", "cost", "duration", "reading", "humidity", "pressure", "speed", "power", "energy",
    "load", "volume", "units", "views", "clicks", "fare", "tip", "paid", "balance",
})  # fmt: skip
PLACES = frozenset({"lat", "lon", "lng", "latitude", "longitude", "zip", "postcode", "phone", "alt", "altitude"})


def any_of(words: Iterable[str], known: Iterable[str]) -> bool:
    """Whether one of the words is known.

    >>> any_of(("arr", "delay"), OUTCOMES), any_of(("distance",), OUTCOMES)
    (True, False)
    """
    return not set(known).isdisjoint(words)


def plainness(words: tuple[str, ...]) -> float:
    """How plainly a name says when something happens; not at all where that is 0 or less.

    >>> plainness(("at",)) > plainness(("received", "at")) > 0 > plainness(("valid", "to"))
    True
    """
    happens = max((HAPPENS.get(word, 0) for word in words), default=0)
    return (
        happens
        - 4 * any_of(words, ENDS)
        - 6 * any(ago in word for word in words for ago in LONG_AGO)
        - (1.5 * any_of(words, KNOWN))
    )


def is_outcome(words: tuple[str, ...]) -> bool:
    """Whether a name is that of something which is known only when the event is over.

    >>> [is_outcome(words) for words in (("arr", "delay"), ("sched", "arr", "time"), ("planned", "vs", "actual"))]
    [True, False, True]
    """
    return any_of(words, OUTCOMES | DEVIATES if any_of(words, PLANNED) else OUTCOMES) and not is_plan(words)


def is_plan(words: tuple[str, ...]) -> bool:
    """Whether a name is that of something which is fixed beforehand.

    >>> [is_plan(words) for words in (("sched", "arr", "time"), ("sched", "delay"), ("planned", "status"))]
    [True, False, False]
    """
    return any_of(words, PLANNED) and not any_of(words, DEVIATES | (OUTCOMES - _ENDINGS))


def is_key_name(words: tuple[str, ...]) -> bool:
    """Whether a name ends like that of a key.

    >>> is_key_name(("movie", "id")), is_key_name(("tailnum",)), is_key_name(("distance",)), is_key_name(("paid",))
    (True, True, False, False)
    """
    if not words:
        return False
    last = words[-1]
    owners = (*SUBJECTS, *OBJECTS, "event", "order", "row", "transaction", "invoice", "basket", "trip", "log")
    return last in KEY_ENDS or any(last == f"{owner}{end}" for owner in owners for end in KEY_ENDS)


def rank_as_entity(words: tuple[str, ...]) -> int:
    """2 for the name of somebody who acts, 1 for that of something, 0 for others.

    >>> [rank_as_entity(words) for words in (("user", "id"), ("tailnum",), ("origin",), ("x",))]
    [2, 2, 1, 0]
    """
    for rank, owners in ((2, SUBJECTS), (1, OBJECTS)):
        if any(
            word == owner or (word.startswith(owner) and word[len(owner) :] in KEY_ENDS)
            for word in words
            for owner in owners
        ):
            return rank
    return 0
