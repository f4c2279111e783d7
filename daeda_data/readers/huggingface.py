"""Training data as a streaming dataset of HuggingFace, a shard for each part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from daeda.process.extras import require
from daeda_data.parts import DayPart

if TYPE_CHECKING:
    from daeda_data.published_data import PublishedData

# Rows that are decoded at once: of long vectors a row group is more than a consumer wants to hold.
_ROWS = 4096


def as_huggingface(data: PublishedData) -> Any:
    """An IterableDataset over Arrow tables, in order; nothing is copied to a cache."""
    require("HuggingFace datasets")
    import datasets
    from datasets.iterable_dataset import ArrowExamplesIterable

    # What is a list here is divided over workers; what is none goes to each of them.
    shards = {"parts": list(data.parts()), "schema": data.schema, "day_column": data.day_column}
    info = datasets.DatasetInfo(features=datasets.Features.from_arrow_schema(data.schema))
    return datasets.IterableDataset(ArrowExamplesIterable(_tables, shards), info=info)


def _tables(
    parts: list[DayPart], schema: pa.Schema, day_column: str | None
) -> Iterator[tuple[tuple[str, int], pa.Table]]:
    """The rows of parts as tables of the schema, each with a key of its own."""
    for part in parts:
        columns = [name for name in schema.names if name != day_column]
        with part.open_parquet() as file:
            for number, batch in enumerate(file.iter_batches(_ROWS, columns=columns)):
                table = pa.Table.from_batches([batch]).select(columns)
                if day_column:
                    day = pa.repeat(pa.scalar(part.day, pa.date32()), table.num_rows)
                    table = table.append_column(schema.field(day_column), day)
                yield (part.path, number), table
