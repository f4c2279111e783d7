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

-- scan_categories (scan): part of the statements that read it
CREATE VIEW categories AS
SELECT
  item_id,
  event_timestamp,
  category
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(category AS TEXT) AS category
  FROM READ_PARQUET(['categories/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_categories (pit_join): rows of its left side get their numbers
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

-- pit_categories (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_categories (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_categories AS
SELECT
  r.category
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
      category,
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
    FROM categories AS h
    WHERE
      NOT item_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY category DESC) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_events_by_user_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_rows AS
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
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- scan_events_by_user_attribute_1 (scan): part of the statements that read it
CREATE VIEW events_by_user_attribute_1 AS
SELECT
  item_id,
  event_timestamp,
  category
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(category AS TEXT) AS category
  FROM READ_PARQUET(['categories/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_events_by_user_with_category (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_events_by_user_rows AS
SELECT
  user_id,
  event_timestamp,
  item_id
FROM events_by_user_rows AS l
ORDER BY
  user_id ASC NULLS FIRST,
  event_timestamp ASC NULLS FIRST,
  item_id ASC NULLS FIRST;

-- pit_events_by_user_with_category (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_events_by_user_with_category (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_with_category AS
SELECT
  r.category
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
      category,
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
    FROM events_by_user_attribute_1 AS h
    WHERE
      NOT item_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY category DESC) = 1
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
  h.category
FROM (
  SELECT
    f0.__row,
    user_id,
    event_timestamp,
    item_id,
    category
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
      category
    FROM events_by_user_with_category
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

-- scan_events_by_user_2_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_2_rows AS
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
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- scan_events_by_user_2_attribute_1 (scan): part of the statements that read it
CREATE VIEW events_by_user_2_attribute_1 AS
SELECT
  item_id,
  maker
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(maker AS BIGINT) AS maker
  FROM READ_PARQUET(['makers.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_events_by_user_2_with_maker (join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_events_by_user_2_rows AS
SELECT
  user_id,
  event_timestamp,
  item_id
FROM events_by_user_2_rows AS l
ORDER BY
  user_id ASC NULLS FIRST,
  event_timestamp ASC NULLS FIRST,
  item_id ASC NULLS FIRST;

-- join_events_by_user_2_with_maker (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_2_with_maker AS
SELECT
  r.maker
FROM (
  SELECT
    f0.__row,
    item_id
  FROM (
    SELECT
      rowid AS __row,
      item_id
    FROM rows_of_events_by_user_2_rows
  ) AS f0
) AS l
LEFT JOIN events_by_user_2_attribute_1 AS r
  ON l.item_id = r.item_id
ORDER BY
  l.__row NULLS FIRST;

-- rolling_events_by_user_2 (rolling_aggregate): their history, read by the kernel, which makes with_events_by_user_2
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
  h.maker
FROM (
  SELECT
    f0.__row,
    user_id,
    event_timestamp,
    item_id,
    maker
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      item_id,
      user_id
    FROM rows_of_events_by_user_2_rows
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      maker
    FROM events_by_user_2_with_maker
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

-- scan_events_by_user_3_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_3_rows AS
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
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- scan_events_by_user_3_attribute_1 (scan): part of the statements that read it
CREATE VIEW events_by_user_3_attribute_1 AS
SELECT
  item_id,
  event_timestamp,
  category
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(category AS TEXT) AS category
  FROM READ_PARQUET(['categories/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_events_by_user_3_with_category (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_events_by_user_3_rows AS
SELECT
  user_id,
  event_timestamp,
  item_id
FROM events_by_user_3_rows AS l
ORDER BY
  user_id ASC NULLS FIRST,
  event_timestamp ASC NULLS FIRST,
  item_id ASC NULLS FIRST;

-- pit_events_by_user_3_with_category (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_events_by_user_3_with_category (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_3_with_category AS
SELECT
  r.category
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
      FROM rows_of_events_by_user_3_rows
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      item_id,
      category,
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
    FROM events_by_user_3_attribute_1 AS h
    WHERE
      NOT item_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY category DESC) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_events_by_user_3_attribute_2 (scan): part of the statements that read it
CREATE VIEW events_by_user_3_attribute_2 AS
SELECT
  item_id,
  maker
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(maker AS BIGINT) AS maker
  FROM READ_PARQUET(['makers.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_events_by_user_3_with_maker (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_3_with_maker AS
SELECT
  r.maker
FROM (
  SELECT
    f0.__row,
    item_id
  FROM (
    SELECT
      rowid AS __row,
      item_id
    FROM rows_of_events_by_user_3_rows
  ) AS f0
) AS l
LEFT JOIN events_by_user_3_attribute_2 AS r
  ON l.item_id = r.item_id
ORDER BY
  l.__row NULLS FIRST;

-- filter_events_by_user_3 (filter): part of the statements that read it
CREATE VIEW events_by_user_3_kept AS
SELECT
  *
FROM (
  SELECT
    f0.__row,
    user_id,
    event_timestamp,
    item_id,
    category,
    maker
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      item_id,
      user_id
    FROM rows_of_events_by_user_3_rows
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      category
    FROM events_by_user_3_with_category
  ) AS f1
  POSITIONAL JOIN (
    SELECT
      maker
    FROM events_by_user_3_with_maker
  ) AS f2
) AS l
WHERE
  category IN ('old', 'books') AND item_id < 100 AND NOT maker IS NULL;

-- rolling_events_by_user_3 (rolling_aggregate): their history, read by the kernel, which makes with_events_by_user_3
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
  h.maker
FROM events_by_user_3_kept AS h
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
    CAST(category AS TEXT) AS category,
    CAST(seen_categories AS TEXT[]) AS seen_categories,
    CAST(seen_makers AS BIGINT[]) AS seen_makers,
    CAST(last_category AS TEXT) AS last_category,
    CAST(of_makers AS BIGINT) AS of_makers
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      item_id,
      category,
      seen_categories,
      seen_makers,
      last_category,
      of_makers
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
        category
      FROM with_categories
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        last_category,
        seen_categories
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        seen_makers
      FROM with_events_by_user_2
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        of_makers
      FROM with_events_by_user_3
      WHERE
        rowid < 100000
    ) AS f4
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
