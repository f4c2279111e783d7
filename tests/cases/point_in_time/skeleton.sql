-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  item_id,
  event_timestamp
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
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
  AND event_timestamp >= CAST('2024-01-01 18:00:00' AS TIMESTAMP);

-- pit_prices (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  item_id,
  event_timestamp
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
  CASE WHEN l.__time - r.__time <= 21600000000 THEN r.price END AS price
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

-- scan_stock (scan): part of the statements that read it
CREATE VIEW stock AS
SELECT
  item_id,
  event_timestamp,
  on_stock
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(on_stock AS INT) AS on_stock
  FROM READ_PARQUET(['stock/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_stock (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_stock (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_stock AS
SELECT
  r.on_stock
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
      on_stock,
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
    FROM stock AS h
    WHERE
      NOT item_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY on_stock DESC) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time >= r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_offers (scan): part of the statements that read it
CREATE VIEW offers AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  offer,
  label
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(offer + CAST('0.0' AS DOUBLE) AS DOUBLE) AS offer,
    CAST(label AS TEXT) AS label
  FROM READ_PARQUET(['offers/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_offers (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_offers (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_offers AS
SELECT
  r.offer,
  r.label
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
  FROM offers AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price AS DOUBLE) AS price,
    CAST(on_stock AS INT) AS on_stock,
    CAST(offer AS DOUBLE) AS offer,
    CAST(label AS TEXT) AS label
  FROM (
    SELECT
      f0.__row,
      user_id,
      item_id,
      event_timestamp,
      price,
      COALESCE(on_stock, CAST(-1 AS INT)) AS on_stock,
      offer,
      label
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
        on_stock
      FROM with_stock
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        label,
        offer
      FROM with_offers
      WHERE
        rowid < 100000
    ) AS f3
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
