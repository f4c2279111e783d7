"""Whatever is given to `dataset`, `batches` and `vocabulary` in place of what they take is told in a sentence."""

from __future__ import annotations

import datetime as dt
import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import daeda
from daeda.errors import UserError
from daeda_data import arguments
from daeda_data.training_data import TrainingData
from tests.daeda_data.loader.made import publish

ODD: dict[str, Any] = {
    "a number": 7, "a boolean": True, "a float": 2.5, "NaN": float("nan"), "bytes": b"x", "an object": object(),
    "a list of numbers": [7], "a list of nothing": [None], "a dict": {"a": 1}, "a set": {1}, "NUL": "x\0y",
    "a long name": "é" * 300, "half a character": "\ud800", "a slice": slice(1, 2), "a day": dt.date(1999, 1, 1),
    "a function": len,
}  # fmt: skip
Call = Callable[[Path, TrainingData, Any], object]


def _batches(data: TrainingData, **settings: Any) -> None:
    with data.batches(4, **{"columns": ["row", "seen"], **settings}) as batches:
        list(batches)


CALLS: dict[str, Call] = {
    "root": lambda root, data, odd: daeda.dataset(odd, "ranking"),
    "service": lambda root, data, odd: daeda.dataset(root, odd),
    "version": lambda root, data, odd: daeda.dataset(root, "ranking", version=odd),
    "split": lambda root, data, odd: daeda.dataset(root, "ranking", split=odd),
    "days": lambda root, data, odd: daeda.dataset(root, "ranking", days=odd),
    "half": lambda root, data, odd: daeda.dataset(root, "ranking", half=odd),
    "tag": lambda root, data, odd: daeda.dataset(root, "ranking", tag=odd),
    "columns": lambda root, data, odd: _batches(data, columns=odd),
    "pad": lambda root, data, odd: _batches(data, pad=odd),
    "drop_last": lambda root, data, odd: _batches(data, drop_last=None if odd is True else odd),
    "verify": lambda root, data, odd: daeda.dataset(root, "ranking", verify=None if odd is True else odd),
    "vocabulary": lambda root, data, odd: _batches(data, vocabulary=odd),
    "resume": lambda root, data, odd: _batches(data, resume=odd),
    "workers": lambda root, data, odd: _batches(data, workers=odd),
    "path of words": lambda root, data, odd: data.vocabulary(odd, ["category"]),
    "columns of words": lambda root, data, odd: data.vocabulary(root / "words", odd),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return publish(tmp_path_factory.mktemp("days"), [[9, 2], [5]])


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("call", CALLS)
def test_what_fits_nothing_is_told(call: str, odd: str, data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        CALLS[call](Path(str(data.path)).parents[1], data, ODD[odd])


@pytest.mark.parametrize("odd", [0, True, 2.5, "2", None])
def test_limits_of_words_are_whole_numbers(odd: Any, data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        data.vocabulary(tmp_path / "words", ["category"], at_least=odd, at_most=2.5)  # type: ignore[arg-type]
    assert list(refused.value.sentences) == [
        f"at_least is {odd!r}, and each word is there once at least: give a number from 1",
        "at_most is 2.5, and no number of words: give a whole number from 1",
    ]


@pytest.mark.parametrize(
    ("call", "odd", "told"),
    [
        ("root", 7, "root= is 7, and not a path: give a text or a Path"),
        ("service", 7, "service= is 7, and not the name of a service: give a text"),
        ("service", "a\0", r"service= is 'a\x00', which has a NUL in it: no file is named so"),
        ("service", "\ud800", r"service= is '\ud800', which cannot be written in UTF-8: no file is named so"),
        ("service", "a" * 256, f"service= is '{'a' * 56}..., with a name of 256 bytes in it: no file's name is "
                               "longer than 255"),
        ("tag", ["x"], "tag= is ['x'], and not the name of a tag: give a text"),
        ("columns", 7, "columns= is 7, and not a list of names: give a list of texts"),
        ("columns", ["row", 7], "columns= has 7 in it, which is no name: give a list of texts"),
        ("pad", 32, "pad is 32, and not a width for each column of lists, as in pad={'seen': 64}"),
        ("pad", {3: 4}, "pad has 3 in it, which is no name of a column: pad={'seen': 64}"),
        ("drop_last", "no", "drop_last is 'no', and neither True nor False"),
        ("verify", "no", "verify= is 'no', and neither True nor False"),
        ("vocabulary", "words.parquet", "vocabulary is 'words.parquet', and not a Vocabulary: "
                                        "`dataset.vocabulary(path, columns)` gives one"),
        ("path of words", 7, "path= is 7, and not a path: give a text or a Path"),
    ],
)  # fmt: skip
def test_the_sentence(call: str, odd: Any, told: str, data: TrainingData) -> None:
    with pytest.raises(UserError) as refused:
        CALLS[call](Path(str(data.path)).parents[1], data, odd)
    assert str(refused.value) == told


def test_the_docstrings() -> None:
    assert doctest.testmod(arguments) == (0, 5)
