"""An epoch over published days by several means; each prints its seconds, and what it has read is summed once.

    python -m bench.peers.read_batches SYSTEM ROOT DAYS ANSWER ROUNDS

`pyarrow_alone` reads and decodes the row groups, and makes no batches; `torch_over_pyarrow` is what one writes by
hand: an IterableDataset over record batches, lists padded by numpy, rows in their order; `huggingface_streaming` is a
streaming dataset over the same files, its batches as numpy arrays, with its own buffer of shuffled rows.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import THREADS
from bench.loader_days import ENRICHED, FIRST, SERVICE, WIDTH
from daeda_data import dataset
from daeda_data.training_data import TrainingData

BATCH_ROWS = 4_096
NUMBERS = ["user_id", "item_id", "time", *(f"count_{number}" for number in range(6)), "label"]


class Sums:
    """What was read, in a few numbers: the same whatever the order of rows."""

    def __init__(self) -> None:
        self.rows = self.users = self.labels = 0

    def add(self, users: np.ndarray, labels: np.ndarray) -> None:
        self.rows += len(users)
        self.users += int(users.sum())
        self.labels += int(labels.sum())


def daeda(data: TrainingData, sums: Sums | None, **settings: Any) -> None:
    if settings.get("columns") is None:
        settings |= {"pad": {"recent": WIDTH}, "vocabulary": data.vocabulary(words_of(data), ["category"])}
    with data.batches(BATCH_ROWS, **settings) as batches:
        for batch in batches:
            if sums is not None:
                sums.add(batch["user_id"], batch["label"])


def words_of(data: TrainingData) -> Path:
    """Where the vocabulary of these days is kept."""
    return Path(data.path).parents[1] / f"words-{data.service}-{len(data.days)}.parquet"


def pyarrow(data: TrainingData, sums: Sums | None, columns: list[str] | None = None) -> None:
    for part in data.parts():
        with pq.ParquetFile(part.path) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, columns=columns)
                if sums is not None:
                    sums.add(table.column("user_id").to_numpy(), table.column("label").to_numpy())


def huggingface(data: TrainingData, sums: Sums | None) -> None:
    from datasets import load_dataset

    files = [part.path for part in data.parts()]
    stream = load_dataset("parquet", data_files=files, split="train", streaming=True)
    shuffled = stream.shuffle(seed=1, buffer_size=10_000).with_format("numpy")
    for batch in shuffled.iter(batch_size=BATCH_ROWS):
        if sums is not None:
            sums.add(batch["user_id"], batch["label"])


def by_hand(data: TrainingData, sums: Sums | None) -> None:
    import torch

    class Rows(torch.utils.data.IterableDataset):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            for part in data.parts():
                with pq.ParquetFile(part.path) as file:
                    for batch in file.iter_batches(BATCH_ROWS):
                        yield {name: torch.from_numpy(_array(batch.column(name))) for name in batch.schema.names}

    for batch in torch.utils.data.DataLoader(Rows(), batch_size=None):
        if sums is not None:
            sums.add(batch["user_id"].numpy(), batch["label"].numpy())


def _array(array: pa.Array) -> np.ndarray:
    if pa.types.is_string(array.type):
        return array.dictionary_encode().indices.to_numpy(zero_copy_only=False).copy()
    if not pa.types.is_list(array.type):
        values = array.to_numpy(zero_copy_only=False)
        return values.view(np.int64).copy() if values.dtype.kind == "M" else values.copy()
    lengths = np.diff(array.offsets.to_numpy())
    padded = np.zeros((len(array), WIDTH), array.type.value_type.to_pandas_dtype())
    padded[np.arange(WIDTH) < lengths[:, None]] = array.flatten().to_numpy(zero_copy_only=False)
    return padded


SYSTEMS: dict[str, Callable[[TrainingData, Sums | None], None]] = {
    "daeda": lambda data, sums: daeda(data, sums, shuffle_seed=1),
    "daeda_in_order": daeda,
    "daeda_numbers": lambda data, sums: daeda(data, sums, shuffle_seed=1, columns=NUMBERS),
    "daeda_enriched": lambda data, sums: daeda(data, sums, shuffle_seed=1),
    "daeda_enriched_in_order": daeda,
    "pyarrow_alone": pyarrow,
    "pyarrow_enriched": pyarrow,
    "pyarrow_numbers": lambda data, sums: pyarrow(data, sums, NUMBERS),
    "huggingface_streaming": huggingface,
    "torch_over_pyarrow": by_hand,
}


def main(system: str, root: str, days: int, answer: Path, rounds: int) -> None:
    """Do it once with sums, which is the round that counts where there is one, and then `rounds` times without."""
    pa.set_cpu_count(THREADS)
    service = ENRICHED if "enriched" in system else SERVICE
    data = dataset(root, service, days=(FIRST, FIRST + dt.timedelta(days=days - 1)))
    if system.startswith("daeda"):
        data.vocabulary(words_of(data), ["category"])
    read, sums = SYSTEMS[system], Sums()
    seconds, cpu = [], []
    for number in range(rounds + 1 if rounds > 1 else 1):
        started, busy = time.perf_counter(), time.process_time()
        read(data, sums if number == 0 else None)
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - busy)
    answer.write_text(json.dumps([sums.rows, sums.users, sums.labels]), encoding="utf-8")
    first = 1 if rounds > 1 else 0
    print(json.dumps({"seconds": seconds[first:], "cpu_seconds": cpu[first:]}))


if __name__ == "__main__":
    _, given, where, many, path, times = sys.argv
    main(given, where, int(many), Path(path), int(times))
