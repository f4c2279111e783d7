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

-- scan_events_by_user_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_rows AS
SELECT
  user_id,
  event_timestamp,
  known,
  item_id,
  action
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known AS TIMESTAMP) AS known,
    CAST(item_id AS TEXT) AS item_id,
    CAST(action AS TEXT) AS action
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- scan_events_by_user_attribute_1 (scan): part of the statements that read it
CREATE VIEW events_by_user_attribute_1 AS
SELECT
  item_id,
  author_id
FROM (
  SELECT
    CAST(item_id AS TEXT) AS item_id,
    CAST(author_id AS BIGINT) AS author_id
  FROM READ_PARQUET(['authors.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_events_by_user_with_author_id (join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_events_by_user_rows AS
SELECT
  user_id,
  event_timestamp,
  known,
  item_id,
  action
FROM events_by_user_rows AS l
ORDER BY
  user_id ASC NULLS FIRST,
  event_timestamp ASC NULLS FIRST,
  known ASC NULLS FIRST,
  item_id ASC NULLS FIRST,
  action ASC NULLS FIRST;

-- join_events_by_user_with_author_id (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_with_author_id AS
SELECT
  r.author_id
FROM (
  SELECT
    f0.__row,
    item_id
  FROM (
    SELECT
      rowid AS __row,
      item_id
    FROM rows_of_events_by_user_rows
  ) AS f0
) AS l
LEFT JOIN events_by_user_attribute_1 AS r
  ON l.item_id = r.item_id
ORDER BY
  l.__row NULLS FIRST;

-- rolling_events_by_user (rolling_aggregate): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST;

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
  COALESCE(
    EPOCH_US(h.known),
    CASE
      WHEN h.known > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h.known < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __created,
  h.item_id,
  h.action,
  h.author_id
FROM (
  SELECT
    f0.__row,
    user_id,
    event_timestamp,
    known,
    item_id,
    action,
    author_id
  FROM (
    SELECT
      rowid AS __row,
      action,
      event_timestamp,
      item_id,
      known,
      user_id
    FROM rows_of_events_by_user_rows
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      author_id
    FROM events_by_user_with_author_id
  ) AS f1
) AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL AND NOT h.known IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  __created NULLS FIRST,
  h.item_id NULLS FIRST,
  h.action NULLS FIRST;

-- scan_events_by_user_2_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_2_rows AS
SELECT
  user_id,
  event_timestamp,
  known,
  item_id,
  action,
  tags
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known AS TIMESTAMP) AS known,
    CAST(item_id AS TEXT) AS item_id,
    CAST(action AS TEXT) AS action,
    CAST(tags AS TEXT[]) AS tags
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- filter_events_by_user_2 (filter): part of the statements that read it
CREATE VIEW events_by_user_2 AS
SELECT
  *
FROM events_by_user_2_rows AS l
WHERE
  action = 'like';

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
  COALESCE(
    EPOCH_US(h.known),
    CASE
      WHEN h.known > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h.known < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __created,
  h.event_timestamp,
  h.tags
FROM events_by_user_2 AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL AND NOT h.known IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  __created NULLS FIRST,
  h.item_id NULLS FIRST,
  h.action NULLS FIRST,
  LIST_TRANSFORM(h.tags, LAMBDA __item0 : {'known': NOT __item0 IS NULL, 'value': __item0}) NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(history AS STRUCT(item_id TEXT, action TEXT, author_id BIGINT, age BIGINT)[]) AS history,
    CAST(likes AS STRUCT(event_timestamp TIMESTAMP, tags TEXT[])[]) AS likes,
    CAST(seen_6h_item_id AS TEXT[]) AS seen_6h_item_id,
    CAST(seen_6h_author_id AS BIGINT[]) AS seen_6h_author_id,
    CAST(seen_6h_ago AS BIGINT[]) AS seen_6h_ago,
    CAST(seen_2d_item_id AS TEXT[]) AS seen_2d_item_id,
    CAST(seen_2d_ago AS BIGINT[]) AS seen_2d_ago,
    CAST(events AS BIGINT) AS events,
    CAST(seen_vector AS REAL[]) AS seen_vector
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      history,
      likes,
      seen_6h_item_id,
      seen_6h_author_id,
      seen_6h_ago,
      seen_2d_item_id,
      seen_2d_ago,
      (
        LENGTH((
          history
        ))
      ) AS events,
      CAST(NULL AS REAL[]) AS seen_vector
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
        history,
        seen_2d_ago,
        seen_2d_item_id,
        seen_6h_ago,
        seen_6h_author_id,
        seen_6h_item_id
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        likes
      FROM with_events_by_user_2
      WHERE
        rowid < 100000
    ) AS f2
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
