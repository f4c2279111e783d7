-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  shop_id,
  sku_id,
  event_timestamp
FROM (
  SELECT
    CAST(shop_id AS INT) AS shop_id,
    CAST(sku_id AS TEXT) AS sku_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_labels (scan): part of the statements that read it
CREATE VIEW labels AS
SELECT
  shop_id,
  sku_id,
  label
FROM (
  SELECT
    CAST(shop_id AS INT) AS shop_id,
    CAST(sku_id AS TEXT) AS sku_id,
    CAST(label AS TEXT) AS label
  FROM READ_PARQUET(['labels.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_labels (join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  shop_id,
  sku_id,
  event_timestamp
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  shop_id ASC NULLS FIRST,
  sku_id ASC NULLS FIRST;

-- join_labels (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_labels AS
SELECT
  r.label
FROM (
  SELECT
    f0.__row,
    shop_id,
    sku_id
  FROM (
    SELECT
      rowid AS __row,
      shop_id,
      sku_id
    FROM rows_of_spine
  ) AS f0
) AS l
LEFT JOIN labels AS r
  ON l.shop_id = r.shop_id AND l.sku_id = r.sku_id
ORDER BY
  l.__row NULLS FIRST;

-- scan_prices (scan): part of the statements that read it
CREATE VIEW prices AS
SELECT
  shop_id,
  sku_id,
  event_timestamp,
  price
FROM (
  SELECT
    CAST(shop_id AS INT) AS shop_id,
    CAST(sku_id AS TEXT) AS sku_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price AS BIGINT) AS price
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_prices (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices AS
SELECT
  r.price
FROM (
  SELECT
    __row,
    shop_id,
    sku_id,
    EPOCH_US(event_timestamp) AS __time
  FROM (
    SELECT
      f0.__row,
      shop_id,
      sku_id,
      event_timestamp
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        shop_id,
        sku_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      shop_id,
      sku_id,
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
      NOT shop_id IS NULL AND NOT sku_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY shop_id, sku_id, __time ORDER BY price DESC) = 1
) AS r
  ON (
    l.shop_id = r.shop_id AND l.sku_id = r.sku_id
  ) AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_events_by_shop_sku (scan): part of the statements that read it
CREATE VIEW events_by_shop_sku AS
SELECT
  shop_id,
  sku_id,
  event_timestamp,
  amount
FROM (
  SELECT
    CAST(shop_id AS INT) AS shop_id,
    CAST(sku_id AS TEXT) AS sku_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(amount AS BIGINT) AS amount
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- rolling_events_by_shop_sku (rolling_aggregate): the day's entities
CREATE TEMP TABLE daeda_entities_0 AS
SELECT
  shop_id,
  sku_id,
  CAST(ROW_NUMBER() OVER (ORDER BY shop_id NULLS FIRST, sku_id NULLS FIRST) - 1 AS BIGINT) AS __entity
FROM (
  SELECT DISTINCT
    shop_id,
    sku_id
  FROM (
    SELECT
      f0.__row,
      shop_id,
      sku_id
    FROM (
      SELECT
        rowid AS __row,
        shop_id,
        sku_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
  WHERE
    NOT shop_id IS NULL AND NOT sku_id IS NULL
) AS k;

-- rolling_events_by_shop_sku (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_0 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(l.event_timestamp) AS __time
FROM (
  SELECT
    f0.__row,
    shop_id,
    sku_id,
    event_timestamp
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      shop_id,
      sku_id
    FROM rows_of_spine
  ) AS f0
) AS l
INNER JOIN daeda_entities_0 AS e
  ON l.shop_id = e.shop_id AND l.sku_id = e.sku_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- rolling_events_by_shop_sku (rolling_aggregate): their history, read by the kernel, which makes with_events_by_shop_sku
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
  ) AS __time,
  h.amount
FROM events_by_shop_sku AS h
INNER JOIN daeda_entities_0 AS e
  ON h.shop_id = e.shop_id AND h.sku_id = e.sku_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.amount NULLS FIRST;

-- scan_events_by_sku (scan): part of the statements that read it
CREATE VIEW events_by_sku AS
SELECT
  sku_id,
  event_timestamp,
  amount
FROM (
  SELECT
    CAST(sku_id AS TEXT) AS sku_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(amount AS BIGINT) AS amount
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- rolling_events_by_sku (rolling_aggregate): the day's entities
CREATE TEMP TABLE daeda_entities_1 AS
SELECT
  sku_id,
  CAST(ROW_NUMBER() OVER (ORDER BY sku_id NULLS FIRST) - 1 AS BIGINT) AS __entity
FROM (
  SELECT DISTINCT
    sku_id
  FROM (
    SELECT
      f0.__row,
      sku_id
    FROM (
      SELECT
        rowid AS __row,
        sku_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
  WHERE
    NOT sku_id IS NULL
) AS k;

-- rolling_events_by_sku (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_1 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(l.event_timestamp) AS __time
FROM (
  SELECT
    f0.__row,
    sku_id,
    event_timestamp
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      sku_id
    FROM rows_of_spine
  ) AS f0
) AS l
INNER JOIN daeda_entities_1 AS e
  ON l.sku_id = e.sku_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- rolling_events_by_sku (rolling_aggregate): their history, read by the kernel, which makes with_events_by_sku
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
  ) AS __time,
  h.amount
FROM events_by_sku AS h
INNER JOIN daeda_entities_1 AS e
  ON h.sku_id = e.sku_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(shop_id AS INT) AS shop_id,
    CAST(sku_id AS TEXT) AS sku_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(label AS TEXT) AS label,
    CAST(price AS BIGINT) AS price,
    CAST(sold AS BIGINT) AS sold,
    CAST(sold_of_sku AS BIGINT) AS sold_of_sku,
    CAST(amounts AS BIGINT[]) AS amounts
  FROM (
    SELECT
      f0.__row,
      shop_id,
      sku_id,
      event_timestamp,
      COALESCE(label, CAST('none' AS TEXT)) AS label,
      price,
      sold,
      sold_of_sku,
      amounts
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        shop_id,
        sku_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        label
      FROM with_labels
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        price
      FROM with_prices
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        amounts,
        sold
      FROM with_events_by_shop_sku
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        sold_of_sku
      FROM with_events_by_sku
      WHERE
        rowid < 100000
    ) AS f4
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
