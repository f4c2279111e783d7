"""Users: what they like, and the log of their profiles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sample_data.artworks import STYLES, TACKS
from sample_data.options import DAY_MS, HISTORY_DAYS, Options, draw, zipf

COUNTRIES = ("JP", "US", "BR", "DE", "FR", "IN", "KR", "GB")
PLANS = ("free", "plus", "pro")


def tastes(options: Options) -> np.ndarray:
    """The style that each user likes; users are 1 .. n, and the user of place i is i + 1."""
    return options.random(5).integers(0, STYLES, options.users)


def profile_rows(options: Options) -> pa.Table:
    """A first row for most users, and later ones where the plan changed; some rows share user and time."""
    random, count = options.random(6), options.users
    start = options.start_ms - HISTORY_DAYS * DAY_MS
    users = np.flatnonzero(random.random(count) >= 0.05)
    first = random.integers(start, options.start_ms + options.days * DAY_MS // 4, len(users))
    signed_up = first - random.integers(0, 900 * DAY_MS, len(users))
    country = draw(random, zipf(len(COUNTRIES) + 1, 0.8), len(users))  # the last one: not given
    plan = draw(random, zipf(len(PLANS), 1.5), len(users))
    tacks = [sorted(set(chosen)) for chosen in random.integers(1, TACKS + 1, (len(users), 3)).tolist()]

    changed = np.flatnonzero(random.random(len(users)) < 0.2)
    since = random.integers(first[changed], options.end_ms)
    tied = changed[random.random(len(changed)) < 0.2]
    place = np.concatenate([np.arange(len(users)), changed, tied])
    updated = np.concatenate([first, since, since[np.searchsorted(changed, tied)]])
    plans = np.concatenate([plan, (plan[changed] + 1) % len(PLANS), (plan[tied] + 2) % len(PLANS)])
    names = np.array([*COUNTRIES, None], dtype=object)
    return pa.table(
        {
            "user_id": pa.array(users[place] + 1),
            "updated_at": pa.array(updated * 1_000, pa.timestamp("us")),
            "country": pa.array(names[country[place]].tolist(), pa.string()),
            "plan": pa.array(np.array(PLANS)[plans].tolist(), pa.string()),
            "signup_at": pa.array(signed_up[place]),
            "favourite_tack_ids": pa.array(
                [tacks[index] if index % 3 else None for index in place.tolist()], pa.list_(pa.int64())
            ),
        }
    )
