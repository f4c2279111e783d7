"""Texts as codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.layout import Layout
from daeda.errors import InputError, UsageError
from daeda_data import dataset
from daeda_data.loader.vocabulary import Vocabulary
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import day_of, publish_by_hand

SEQUENCE = pa.struct([("word", pa.string()), ("price", pa.float64())])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    root = tmp_path_factory.mktemp("texts")
    first = {
        "item": ["b", "a", None, "b", "c", "b"],
        "seen": [["a", "b"], None, [], ["d", None], ["a"], ["a", "a"]],
        "visits": [[{"word": "ü"}, {"word": "b"}], [], None, [{"word": None}], [None], [{"word": "ü"}]],
    }
    second = {"item": ["a", "e"], "seen": [["e"], []], "visits": [[], []]}
    for number, columns in enumerate((first, second)):
        kinds = (pa.string(), pa.list_(pa.string()), pa.list_(SEQUENCE))
        arrays = [pa.array(values, kind) for values, kind in zip(columns.values(), kinds, strict=True)]
        table = pa.table(arrays, names=list(columns)).append_column("row", pa.array(range(len(arrays[0]))))
        publish_by_hand(Layout(root / "ranking"), day_of(number), [table])
    return dataset(root, "ranking")


def test_words_come_by_how_often_they_are_there(data: TrainingData, tmp_path: Path) -> None:
    words = data.vocabulary(tmp_path / "words", ["item", "seen", "visits.word"])
    assert words["item"].words == ("b", "a", "c", "e")
    assert words["seen"].words == ("a", "b", "d", "e")
    assert words["visits.word"].words == ("ü", "b")
    assert words["item"].size == 6
    assert repr(words) == "Vocabulary(item: 6 codes, seen: 6 codes, visits.word: 4 codes)"


def test_columns_in_a_tuple_share_their_words(data: TrainingData, tmp_path: Path) -> None:
    words = data.vocabulary(tmp_path / "words", [("item", "seen", "visits.word")])
    assert words["item"] is words["seen"] is words["visits.word"]
    assert words["item"].words == ("a", "b", "e", "ü", "c", "d")
    [batch] = data.batches(8, vocabulary=words, pad={"seen": 2, "visits": 2})
    assert batch["item"].tolist() == [3, 2, 0, 3, 6, 3, 2, 4]
    assert batch.masks["item"].tolist() == [True, True, False, True, True, True, True, True]
    assert batch["seen"].tolist() == [[2, 3], [0, 0], [0, 0], [7, 0], [2, 0], [2, 2], [4, 0], [0, 0]]
    assert batch["visits.word"].tolist() == [[5, 3], [0, 0], [0, 0], [0, 0], [0, 0], [5, 0], [0, 0], [0, 0]]
    assert batch.lengths["visits"].tolist() == [2, 0, 0, 1, 1, 1, 0, 0]


def test_texts_that_are_not_in_the_vocabulary_are_unknown(data: TrainingData, tmp_path: Path) -> None:
    words = data.vocabulary(tmp_path / "words", ["item"], at_least=2, at_most=1)
    assert words["item"].words == ("b",)
    [batch] = data.batches(8, vocabulary=words, columns=["item"])
    assert batch["item"].tolist() == [2, 1, 0, 2, 1, 2, 1, 1]
    assert batch["item"].dtype == np.int32


def test_a_vocabulary_is_made_once(data: TrainingData, tmp_path: Path) -> None:
    path = tmp_path / "words.parquet"
    made = data.vocabulary(path, ["item", ("seen", "visits.word")])
    content = path.read_bytes()
    again = data.vocabulary(path, ["item", ("seen", "visits.word")])
    assert again == made == Vocabulary.read(path)
    assert again.digest == made.digest
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["words.parquet"]


def test_a_vocabulary_of_other_days_or_columns_is_refused(data: TrainingData, tmp_path: Path) -> None:
    path = tmp_path / "words"
    data.vocabulary(path, ["item"])
    root = Path(data.path).parents[1]
    first = dataset(root, "ranking", days=[day_of(0)])
    for opened, columns, limits, what in (
        (first, ["item"], {}, "days, or of other bytes of these days"),
        (data, ["seen"], {}, "columns"),
        (data, ["item"], {"at_least": 2}, "at_least or at_most"),
    ):
        with pytest.raises(InputError) as refused:
            opened.vocabulary(path, columns, **limits)
        assert str(refused.value) == (
            f"{path} was made of other {what}: use it as it is with `Vocabulary.read`, or have another file made"
        )
    # What was made of the days of the training is used for other days.
    assert next(first.batches(6, columns=["item"], vocabulary=Vocabulary.read(path)))["item"].tolist() == [
        2,
        3,
        0,
        2,
        4,
        2,
    ]


@pytest.mark.parametrize(
    ("columns", "limits", "told"),
    [
        (["items"], {}, ["columns: no texts are named 'items': did you mean 'item'? Known: item, seen, visits.word"]),
        (["price"], {}, ["columns: no texts are named 'price': Known: item, seen, visits.word"]),
        (["item", ("seen", "item")], {}, ["columns: 'item' stands there twice"]),
        ([()], {"at_least": 0, "at_most": 0},
         ["columns: a group has no name in it",
          "at_least is 0, and each word is there once at least: give a number from 1",
          "at_most is 0, which leaves no word: give a number from 1, or leave it out"]),
        ("item", {}, ["columns is a list of names, of one column of texts at least; a tuple in it shares its words"]),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused(
    columns: Any, limits: dict[str, int], told: list[str], data: TrainingData, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        data.vocabulary(tmp_path / "words", columns, **limits)
    assert list(refused.value.sentences) == told
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path) -> None:
    table = pa.table({"column": ["item"], "code": [3], "word": ["a"]})
    pq.write_table(table, tmp_path / "other")
    (tmp_path / "text").write_text("a, b")
    metadata = {
        "daeda.vocabulary": '{"format": 1, "made_of": "", "columns": [["item"]], "at_least": 1, "at_most": null}'
    }
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "damaged")
    for name, told in (
        ("absent", "is not there: make it with `dataset.vocabulary(path, columns)`"),
        ("other", "is no vocabulary: make it with `dataset.vocabulary(path, columns)`"),
        ("text", "is no vocabulary: "),
        ("damaged", "is damaged: the words of 'item' are not in the order of their codes"),
    ):
        with pytest.raises(InputError) as refused:
            Vocabulary.read(tmp_path / name)
        assert str(refused.value).startswith(f"{tmp_path / name} {told}")


def test_words_that_are_alike_have_other_digests() -> None:
    one = Vocabulary.of_groups({("a",): ["ab", "c"]}, "")
    for other in (["a", "bc"], ["ab"], ["c", "ab"], ["ab", "c", ""]):
        assert Vocabulary.of_groups({("a",): other}, "").digest != one.digest
    assert Vocabulary.of_groups({("b",): ["ab", "c"]}, "").digest != one.digest
