-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  event_timestamp,
  item_id
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item_id AS BIGINT) AS item_id
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_prices (scan): part of the statements that read it
CREATE VIEW prices AS
SELECT
  item_id,
  event_timestamp,
  price
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2023-12-26 00:00:00' AS TIMESTAMP);

-- pit_prices (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp,
  item_id
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST,
  item_id ASC NULLS FIRST;

-- pit_prices (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices AS
SELECT
  CASE WHEN l.__time - r.__time <= 604800000000 THEN r.price END AS price
FROM (
  SELECT
    __row,
    item_id,
    EPOCH_US(event_timestamp) AS __time
  FROM (
    SELECT
      f0.__row,
      item_id,
      event_timestamp
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      item_id,
      price,
      COALESCE(
        EPOCH_US(event_timestamp),
        CASE
          WHEN event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __time,
      COALESCE(
        EPOCH_US(event_timestamp),
        CASE
          WHEN event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __visible
    FROM prices AS h
    WHERE
      NOT item_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY price DESC) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_events_by_user (scan): part of the statements that read it
CREATE VIEW events_by_user AS
SELECT
  user_id,
  event_timestamp
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2023-12-29 00:00:00' AS TIMESTAMP);

-- rolling_events_by_user (rolling_aggregate): the day's entities
CREATE TEMP TABLE daeda_entities_0 AS
SELECT
  user_id,
  CAST(ROW_NUMBER() OVER (ORDER BY user_id NULLS FIRST) - 1 AS BIGINT) AS __entity
FROM (
  SELECT DISTINCT
    user_id
  FROM (
    SELECT
      f0.__row,
      user_id
    FROM (
      SELECT
        rowid AS __row,
        user_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
  WHERE
    NOT user_id IS NULL
) AS k;

-- rolling_events_by_user (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_0 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(l.event_timestamp) AS __time
FROM (
  SELECT
    f0.__row,
    user_id,
    event_timestamp
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      user_id
    FROM rows_of_spine
  ) AS f0
) AS l
INNER JOIN daeda_entities_0 AS e
  ON l.user_id = e.user_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- rolling_events_by_user (rolling_aggregate): their history, read by the kernel, which makes with_events_by_user
SELECT
  e.__entity,
  COALESCE(
    EPOCH_US(h.event_timestamp),
    CASE
      WHEN h.event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h.event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time
FROM events_by_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(price AS DOUBLE) AS price,
    CAST(events_4d AS BIGINT) AS events_4d
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      item_id,
      price,
      events_4d
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        item_id,
        user_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        price
      FROM with_prices
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        events_4d
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f2
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
