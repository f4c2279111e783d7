"""The 32 newest distinct likes by a range join and an aggregate, in DuckDB.

python -m bench.peers.range_join DATA OUT DAYS ROUNDS THREADS
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from bench.peers.script import report

_QUERY = """
WITH spine AS (
    SELECT file_row_number AS row, user_id, event_timestamp AS t FROM read_parquet($last, file_row_number = true)
), likes AS (
    SELECT user_id, event_timestamp AS t, artwork_id
    FROM read_parquet($files, hive_partitioning = false) WHERE event = 'like'
), newest AS (
    SELECT s.row, s.user_id, s.t, l.artwork_id, max(l.t) AS seen
    FROM spine AS s LEFT JOIN likes AS l ON l.user_id = s.user_id AND l.t < s.t AND l.t >= s.t - $window
    GROUP BY ALL
)
SELECT
    any_value(user_id) AS user_id, any_value(t) AS event_timestamp,
    coalesce((list(artwork_id ORDER BY seen DESC, artwork_id DESC) FILTER (artwork_id IS NOT NULL))[1:32], [])
        AS "distinct"
FROM newest GROUP BY row ORDER BY row
"""


def main(data: str, out: str, days: str, rounds: str, threads: str) -> None:
    files = sorted(str(path) for path in Path(data).glob("ev/dt=*/part-0-0.parquet"))
    given = {"last": files[-1], "files": files, "window": int(days) * 86_400_000}

    def work() -> None:
        with duckdb.connect() as connection:
            connection.execute(f"SET threads = {int(threads)}")
            connection.execute(f"COPY ({_QUERY}) TO '{out}' (FORMAT parquet)", given)

    report(work, int(rounds))


if __name__ == "__main__":
    main(*sys.argv[1:])
