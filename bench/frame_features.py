"""`.features(frame)` of a Parquet file of keys and times, in a process to be measured: prints rows and columns.

Usage: python -m bench.frame_features RUNTIME FILE pandas|polars|arrow
"""

from __future__ import annotations

import sys

import pyarrow.parquet as pq

import daeda

runtime, path, library = sys.argv[1:]
rows = pq.read_table(path)
if library == "polars":
    import polars

    made = daeda.project(runtime).features(polars.from_arrow(rows))
    print(made.height, made.width)
else:
    made = daeda.project(runtime).features(rows.to_pandas() if library == "pandas" else rows)
    print(*made.shape)
