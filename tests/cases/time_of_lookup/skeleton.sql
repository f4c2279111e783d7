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
  priced_at,
  price
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS priced_at,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  priced_at < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND priced_at >= CAST('2024-01-01 18:00:00' AS TIMESTAMP);

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
  CASE WHEN l.__time - r.__time <= 21600000000 THEN r.priced_at END AS priced_at,
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
      priced_at,
      price,
      COALESCE(
        EPOCH_US(priced_at),
        CASE
          WHEN priced_at > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN priced_at < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __time,
      COALESCE(
        EPOCH_US(priced_at),
        CASE
          WHEN priced_at > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN priced_at < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __visible
    FROM prices AS h
    WHERE
      NOT item_id IS NULL AND NOT priced_at IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY price DESC) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_offers (scan): part of the statements that read it
CREATE VIEW offers AS
SELECT
  item_id,
  offered_at,
  known_at,
  offer
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(offered_at AS TIMESTAMP_MS) AS offered_at,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(offer + CAST('0.0' AS DOUBLE) AS DOUBLE) AS offer
  FROM READ_PARQUET(['offers/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  COALESCE(
    EPOCH_MS(offered_at),
    CASE
      WHEN offered_at > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN offered_at < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) < 1704240000000;

-- pit_offers (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_offers (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_offers AS
SELECT
  r.offered_at,
  r.known_at,
  r.offer
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

-- scan_events_by_user_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_rows AS
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
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- scan_events_by_user_attribute_1 (scan): part of the statements that read it
CREATE VIEW events_by_user_attribute_1 AS
SELECT
  item_id,
  priced_at
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS priced_at
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  priced_at < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_events_by_user_with_priced_at (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_events_by_user_rows AS
SELECT
  user_id,
  item_id,
  event_timestamp
FROM events_by_user_rows AS l
ORDER BY
  user_id ASC NULLS FIRST,
  item_id ASC NULLS FIRST,
  event_timestamp ASC NULLS FIRST;

-- pit_events_by_user_with_priced_at (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_events_by_user_with_priced_at (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_with_priced_at AS
SELECT
  CASE WHEN l.__time - r.__time <= 21600000000 THEN r.priced_at END AS priced_at
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
      FROM rows_of_events_by_user_rows
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      item_id,
      priced_at,
      COALESCE(
        EPOCH_US(priced_at),
        CASE
          WHEN priced_at > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN priced_at < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __time,
      COALESCE(
        EPOCH_US(priced_at),
        CASE
          WHEN priced_at > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN priced_at < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __visible
    FROM events_by_user_attribute_1 AS h
    WHERE
      NOT item_id IS NULL AND NOT priced_at IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

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
  h.priced_at
FROM (
  SELECT
    f0.__row,
    user_id,
    item_id,
    event_timestamp,
    priced_at
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      item_id,
      user_id
    FROM rows_of_events_by_user_rows
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      priced_at
    FROM events_by_user_with_priced_at
  ) AS f1
) AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.item_id NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price AS DOUBLE) AS price,
    CAST(priced_at AS TIMESTAMP) AS priced_at,
    CAST(age AS BIGINT) AS age,
    CAST(offer AS DOUBLE) AS offer,
    CAST(offered_at AS TIMESTAMP_MS) AS offered_at,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(last_priced AS TIMESTAMP) AS last_priced
  FROM (
    SELECT
      f0.__row,
      user_id,
      item_id,
      event_timestamp,
      price,
      priced_at,
      (
        EPOCH_US((
          event_timestamp
        )) - EPOCH_US((
          priced_at
        ))
      ) AS age,
      offer,
      offered_at,
      known_at,
      last_priced
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
        price,
        priced_at
      FROM with_prices
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        known_at,
        offer,
        offered_at
      FROM with_offers
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        last_priced
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f3
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
