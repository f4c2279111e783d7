"""Artworks: who painted them and when, what was said about them later, and which of them have a vector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sample_data.options import DAY_MS, HISTORY_DAYS, Options, draw, zipf

FIRST_ID = 1_000_000
STYLES = 8
TACKS = 60
BATCH = 20_000

_PROPERTIES = pa.schema(
    [(name, pa.int64()) for name in ("artwork_id", "valid_from", "created_at", "author_id", "model_id")]
    + [("content_rating", pa.string()), ("published_at", pa.int64())]
)


@dataclass(frozen=True)
class Artworks:
    """All artworks by time of publication: the i-th has the id FIRST_ID + i."""

    published: np.ndarray
    author: np.ndarray
    model: np.ndarray  # -1: none
    style: np.ndarray
    score: np.ndarray  # NaN: not scored
    tacks: pa.Array
    popular: np.ndarray  # indices, the most popular first

    def __len__(self) -> int:
        return len(self.published)


def make_artworks(options: Options) -> Artworks:
    """Some authors and some models have very many artworks, most have few; some artworks have no score or no tacks."""
    random, count = options.random(1), options.artworks
    published = np.sort(random.integers(options.start_ms - HISTORY_DAYS * DAY_MS, options.end_ms, count))
    score = np.round(np.clip(random.normal(5.5, 1.0, count), 1.0, 10.0), 2)
    score[random.random(count) < 0.04] = np.nan
    model = 1 + draw(random, zipf(max(1, count // 40), 1.0), count)
    model[random.random(count) < 0.15] = -1
    return Artworks(
        published=published,
        author=1 + draw(random, zipf(max(1, count // 12), 0.9), count),
        model=model,
        style=random.integers(0, STYLES, count),
        score=score,
        tacks=_tacks(random, count),
        popular=random.permutation(count),
    )


def _tacks(random: np.random.Generator, count: int) -> pa.Array:
    """A list of different tacks for each artwork: a few are on very many; some lists are empty, some are NULL."""
    lengths = random.integers(0, 7, count)
    missing = random.random(count) < 0.05
    ranks = draw(random, zipf(TACKS, 1.0), int(lengths.sum()))
    lists = np.split(ranks + 1, np.cumsum(lengths)[:-1])
    return pa.array(
        [None if gone else list(dict.fromkeys(tags.tolist())) for tags, gone in zip(lists, missing, strict=True)],
        pa.list_(pa.int64()),
    )


def property_rows(options: Options, artworks: Artworks) -> pa.Table:
    """The log of properties: publications, changes, late corrections, exact duplicates, rows that were never known."""
    random, count = options.random(2), len(artworks)
    rating = np.where(random.random(count) < 0.1, "mature", "general")
    # Most rows are known within two minutes, some hours later: until then, nothing is known of the artwork.
    late = random.random(count) < 0.05
    known = artworks.published + random.integers(1_000, np.where(late, DAY_MS // 2, 120_000))
    never = random.random(count) < 0.01
    first = _rows(np.arange(count), artworks, artworks.published, known, rating, artworks.author, artworks.model, never)

    # A change holds from its own time on.
    changed = np.flatnonzero(random.random(count) < 0.15)
    since = random.integers(artworks.published[changed], options.end_ms)
    turned = np.where(rating[changed] == "mature", "general", "mature")
    noticed = since + random.integers(1_000, 60_000, len(changed))
    author, model = artworks.author[changed], artworks.model[changed]
    changes = _rows(changed, artworks, since, noticed, turned, author, model)

    # A correction holds from the publication on, and is known hours or days later: who painted it, or with what.
    wrong = np.flatnonzero(random.random(count) < 0.06)
    found_out = known[wrong] + random.integers(DAY_MS // 24, 5 * DAY_MS, len(wrong))
    by_author = random.random(len(wrong)) < 0.5
    author = np.where(by_author, np.roll(artworks.author, 1)[wrong], artworks.author[wrong])
    model = np.where(by_author, artworks.model[wrong], 1)
    corrections = _rows(wrong, artworks, artworks.published[wrong], found_out, rating[wrong], author, model)

    rows = pa.concat_tables([first, changes, corrections])
    again = np.flatnonzero(random.random(rows.num_rows) < 0.01)
    return pa.concat_tables([rows, rows.take(again)])


def _rows(
    index: np.ndarray,
    artworks: Artworks,
    since: np.ndarray,
    known: np.ndarray,
    rating: np.ndarray,
    author: np.ndarray,
    model: np.ndarray,
    never: np.ndarray | None = None,
) -> pa.Table:
    columns = [
        pa.array(FIRST_ID + index),
        pa.array(since),
        pa.array(known, mask=never),
        pa.array(author),
        pa.array(model, mask=model < 0),
        pa.array(rating.tolist()),
        pa.array(artworks.published[index]),
    ]
    return pa.table(columns, schema=_PROPERTIES)


def has_row(options: Options) -> np.ndarray:
    """Which artworks the store has a row for."""
    return options.random(4, 0).random(options.artworks) >= 0.06


def has_vector(options: Options) -> np.ndarray:
    """Which artworks the store has a vector for: the vector of some of its rows is NULL."""
    return has_row(options) & (options.random(4, 1).random(options.artworks) >= 0.01)


def vector_batches(options: Options, artworks: Artworks, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of the store, batch by batch: artworks of one style have vectors that lie close together."""
    centres = options.random(4, 2).normal(size=(STYLES, options.dimensions))
    stored, known = has_row(options), has_vector(options)
    for number, first in enumerate(range(0, len(artworks), BATCH)):
        chosen = np.flatnonzero(stored[first : first + BATCH]) + first
        noise = options.random(4, 3, number).normal(size=(len(chosen), options.dimensions))
        vectors = centres[artworks.style[chosen]] + 0.7 * noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        values = pa.array(vectors.astype(np.float32).reshape(-1))
        lists = pa.FixedSizeListArray.from_arrays(values, options.dimensions, mask=pa.array(~known[chosen]))
        yield pa.record_batch([pa.array(FIRST_ID + chosen), lists], schema=schema)
