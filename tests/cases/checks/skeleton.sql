-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  event_timestamp,
  country,
  price,
  paid,
  born
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(country AS TEXT) AS country,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price,
    CAST(paid AS DECIMAL(9, 2)) AS paid,
    CAST(born AS DATE) AS born
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_events_by_user (scan): part of the statements that read it
CREATE VIEW events_by_user AS
SELECT
  user_id,
  event_timestamp,
  price
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- rolling_events_by_user (rolling_aggregate): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp,
  country,
  price,
  paid,
  born
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST,
  country ASC NULLS FIRST,
  price ASC NULLS FIRST,
  paid ASC NULLS FIRST,
  born ASC NULLS FIRST;

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
  ) AS __time,
  h.price
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
    CAST(country AS TEXT) AS country,
    CAST(price AS DOUBLE) AS price,
    CAST(paid AS DECIMAL(9, 2)) AS paid,
    CAST(born AS DATE) AS born,
    CAST(spent_1d AS DOUBLE) AS spent_1d
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      country,
      price,
      paid,
      born,
      spent_1d
    FROM (
      SELECT
        rowid AS __row,
        born,
        country,
        event_timestamp,
        paid,
        price,
        user_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        spent_1d
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f1
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
