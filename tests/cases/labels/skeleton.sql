-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
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
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_purchases_by_user (scan): part of the statements that read it
CREATE VIEW purchases_by_user AS
SELECT
  user_id,
  "at"
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST("at" AS TIMESTAMP_MS) AS "at"
  FROM READ_PARQUET(['purchases/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) < 1704240000000
  AND COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) >= 1704067200000;

-- rolling_purchases_by_user (rolling_aggregate): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST;

-- rolling_purchases_by_user (rolling_aggregate): the day's entities
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

-- rolling_purchases_by_user (rolling_aggregate): their rows, read by the kernel
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

-- rolling_purchases_by_user (rolling_aggregate): their history, read by the kernel, which makes with_purchases_by_user
SELECT
  e.__entity,
  COALESCE(
    (
      EPOCH_MS(h."at")
    ) * 1000,
    CASE
      WHEN h."at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h."at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time
FROM purchases_by_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h."at" IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h."at" NULLS FIRST;

-- scan_purchases_after_user (scan): part of the statements that read it
CREATE VIEW purchases_after_user AS
SELECT
  user_id,
  item,
  "at",
  amount
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item AS TEXT) AS item,
    CAST("at" AS TIMESTAMP_MS) AS "at",
    CAST(amount + CAST('0.0' AS DOUBLE) AS DOUBLE) AS amount
  FROM READ_PARQUET(['purchases/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) < 1706832000000
  AND COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) >= 1704153600000;

-- label_purchases_after_user (label_aggregate): their history, read by the kernel, which makes with_purchases_after_user
SELECT
  e.__entity,
  COALESCE(
    (
      EPOCH_MS(h."at")
    ) * 1000,
    CASE
      WHEN h."at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h."at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time,
  h.amount,
  h.item
FROM purchases_after_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h."at" IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h."at" NULLS FIRST,
  h.item NULLS FIRST,
  h.amount NULLS FIRST;

-- scan_purchases_after_user_2_rows (scan): part of the statements that read it
CREATE VIEW purchases_after_user_2_rows AS
SELECT
  user_id,
  item,
  "at"
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item AS TEXT) AS item,
    CAST("at" AS TIMESTAMP_MS) AS "at"
  FROM READ_PARQUET(['purchases/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) < 1704412800000
  AND COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) >= 1704153600000;

-- filter_purchases_after_user_2 (filter): part of the statements that read it
CREATE VIEW purchases_after_user_2 AS
SELECT
  *
FROM purchases_after_user_2_rows AS l
WHERE
  item <> 'a';

-- label_purchases_after_user_2 (label_aggregate): their history, read by the kernel, which makes with_purchases_after_user_2
SELECT
  e.__entity,
  COALESCE(
    (
      EPOCH_MS(h."at")
    ) * 1000,
    CASE
      WHEN h."at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h."at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time,
  h.item
FROM purchases_after_user_2 AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h."at" IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h."at" NULLS FIRST,
  h.item NULLS FIRST;

-- scan_returns_after_user (scan): part of the statements that read it
CREATE VIEW returns_after_user AS
SELECT
  user_id,
  "at",
  known
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST("at" AS TIMESTAMP) AS "at",
    CAST(known AS TIMESTAMP) AS known
  FROM READ_PARQUET(['returns/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  "at" < CAST('2024-01-03 13:00:00' AS TIMESTAMP)
  AND "at" >= CAST('2024-01-02 01:00:00' AS TIMESTAMP);

-- label_returns_after_user (label_aggregate): their history, read by the kernel, which makes with_returns_after_user
SELECT
  e.__entity,
  COALESCE(
    EPOCH_US(h."at"),
    CASE
      WHEN h."at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h."at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time,
  COALESCE(
    EPOCH_US(h.known),
    CASE
      WHEN h.known > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h.known < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __created
FROM returns_after_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h."at" IS NULL AND NOT h.known IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  __created NULLS FIRST;

-- scan_purchases_after_user_3_rows (scan): part of the statements that read it
CREATE VIEW purchases_after_user_3_rows AS
SELECT
  user_id,
  "at"
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST("at" AS TIMESTAMP_MS) AS "at"
  FROM READ_PARQUET(['purchases/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) < 1704326400000
  AND COALESCE(
    EPOCH_MS("at"),
    CASE
      WHEN "at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN "at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) >= 1704153600000;

-- scan_purchases_after_user_3_attribute_1 (scan): part of the statements that read it
CREATE VIEW purchases_after_user_3_attribute_1 AS
SELECT
  user_id,
  since,
  price
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(since AS TIMESTAMP) AS since,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  since < CAST('2024-01-04 00:00:00' AS TIMESTAMP);

-- pit_purchases_after_user_3_with_price (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_purchases_after_user_3_rows AS
SELECT
  user_id,
  "at"
FROM purchases_after_user_3_rows AS l
ORDER BY
  user_id ASC NULLS FIRST,
  "at" ASC NULLS FIRST;

-- pit_purchases_after_user_3_with_price (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_purchases_after_user_3_with_price (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE purchases_after_user_3_with_price AS
SELECT
  r.price
FROM (
  SELECT
    __row,
    user_id,
    (
      EPOCH_MS("at")
    ) * 1000 AS __time
  FROM (
    SELECT
      f0.__row,
      user_id,
      "at"
    FROM (
      SELECT
        rowid AS __row,
        "at",
        user_id
      FROM rows_of_purchases_after_user_3_rows
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      user_id,
      price,
      COALESCE(
        EPOCH_US(since),
        CASE
          WHEN since > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN since < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __time,
      COALESCE(
        EPOCH_US(since),
        CASE
          WHEN since > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN since < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __visible
    FROM purchases_after_user_3_attribute_1 AS h
    WHERE
      NOT user_id IS NULL AND NOT since IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY user_id, __time ORDER BY price DESC) = 1
) AS r
  ON l.user_id = r.user_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- label_purchases_after_user_3 (label_aggregate): their history, read by the kernel, which makes with_purchases_after_user_3
SELECT
  e.__entity,
  COALESCE(
    (
      EPOCH_MS(h."at")
    ) * 1000,
    CASE
      WHEN h."at" > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h."at" < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time,
  h.price
FROM (
  SELECT
    f0.__row,
    user_id,
    "at",
    price
  FROM (
    SELECT
      rowid AS __row,
      "at",
      user_id
    FROM rows_of_purchases_after_user_3_rows
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      price
    FROM purchases_after_user_3_with_price
  ) AS f1
) AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h."at" IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h."at" NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(purchases_1d AS BIGINT) AS purchases_1d,
    CAST(bought_12h AS BOOLEAN) AS bought_12h,
    CAST(bought_1d AS BOOLEAN) AS bought_1d,
    CAST(spent AS DOUBLE) AS spent,
    CAST(until_next AS BIGINT) AS until_next,
    CAST(until_paid AS BIGINT) AS until_paid,
    CAST(next_items AS TEXT[]) AS next_items,
    CAST(last_items AS TEXT[]) AS last_items,
    CAST(first_b AS TEXT) AS first_b,
    CAST(returned AS BIGINT) AS returned,
    CAST(mean_price AS DOUBLE) AS mean_price,
    CAST(kept AS BOOLEAN) AS kept,
    CAST(bought_soon_1d AS BIGINT) AS bought_soon_1d,
    CAST(bought_soon_30d AS BIGINT) AS bought_soon_30d,
    CAST(bought_much AS BOOLEAN) AS bought_much,
    CAST(paid_p50 AS DOUBLE) AS paid_p50,
    CAST(next_events AS STRUCT(item TEXT, amount DOUBLE, ago BIGINT)[]) AS next_events
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      purchases_1d,
      bought_12h,
      bought_1d,
      COALESCE(spent, CAST('0.0' AS DOUBLE)) AS spent,
      until_next,
      until_paid,
      next_items,
      last_items,
      first_b,
      returned,
      mean_price,
      (
        (
          bought_1d
        ) AND (
          returned
        ) = 0
      ) AS kept,
      COALESCE(bought_soon_1d, CAST(0 AS BIGINT)) AS bought_soon_1d,
      COALESCE(bought_soon_30d, CAST(0 AS BIGINT)) AS bought_soon_30d,
      (
        COALESCE(CAST(COALESCE(bought_soon_30d, CAST(0 AS BIGINT)) AS BIGINT), 0) > 3
      ) AS bought_much,
      paid_p50,
      next_events
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        user_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        purchases_1d
      FROM with_purchases_by_user
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        bought_12h,
        bought_1d,
        bought_soon_1d,
        bought_soon_30d,
        last_items,
        next_events,
        next_items,
        paid_p50,
        spent,
        until_next,
        until_paid
      FROM with_purchases_after_user
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        first_b
      FROM with_purchases_after_user_2
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        returned
      FROM with_returns_after_user
      WHERE
        rowid < 100000
    ) AS f4
    POSITIONAL JOIN (
      SELECT
        mean_price
      FROM with_purchases_after_user_3
      WHERE
        rowid < 100000
    ) AS f5
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
