-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  item,
  event_timestamp,
  event
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item AS TEXT) AS item,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(event AS TEXT) AS event
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- filter_spine_1 (filter): part of the statements that read it
CREATE VIEW spine_1 AS
SELECT
  *
FROM spine AS l
WHERE
  event IS NULL OR event <> 'refresh';

-- filter_spine_2 (filter): part of the statements that read it
CREATE VIEW spine_2 AS
SELECT
  *,
  CASE WHEN event = 'skip' THEN CAST('2.0' AS DOUBLE) ELSE CAST('1.0' AS DOUBLE) END AS sample_weight
FROM spine_1 AS l
WHERE
  CASE
    WHEN event = 'skip'
    THEN MD5('7' || '|' || CAST(user_id AS TEXT) || '|' || CAST(item AS TEXT)) < '8000000000000000'
    ELSE TRUE
  END;

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
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- rolling_events_by_user (rolling_aggregate): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine_2 AS
SELECT
  user_id,
  item,
  event_timestamp,
  event,
  sample_weight
FROM spine_2 AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST,
  item ASC NULLS FIRST,
  event ASC NULLS FIRST;

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
      FROM rows_of_spine_2
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
    FROM rows_of_spine_2
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
    CAST(item AS TEXT) AS item,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(event AS TEXT) AS event,
    CAST(sample_weight AS DOUBLE) AS sample_weight,
    CAST(events_1d AS BIGINT) AS events_1d,
    CAST(weighted AS DOUBLE) AS weighted
  FROM (
    SELECT
      f0.__row,
      user_id,
      item,
      event_timestamp,
      event,
      sample_weight,
      events_1d,
      (
        (
          sample_weight
        ) * (
          events_1d
        )
      ) AS weighted
    FROM (
      SELECT
        rowid AS __row,
        event,
        event_timestamp,
        item,
        sample_weight,
        user_id
      FROM rows_of_spine_2
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        events_1d
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f1
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
