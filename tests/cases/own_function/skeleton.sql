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

-- scan_titles (scan): part of the statements that read it
CREATE VIEW titles AS
SELECT
  item_id,
  title
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(title AS TEXT) AS title
  FROM READ_PARQUET(['titles.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_titles (join): rows of its left side get their numbers
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

-- join_titles (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_titles AS
SELECT
  r.title
FROM (
  SELECT
    f0.__row,
    item_id
  FROM (
    SELECT
      rowid AS __row,
      item_id
    FROM rows_of_spine
  ) AS f0
) AS l
LEFT JOIN titles AS r
  ON l.item_id = r.item_id
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
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- scan_events_by_user_attribute_1 (scan): part of the statements that read it
CREATE VIEW events_by_user_attribute_1 AS
SELECT
  item_id,
  title
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(title AS TEXT) AS title
  FROM READ_PARQUET(['titles.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_events_by_user_with_title (join): rows of its left side get their numbers
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

-- join_events_by_user_with_title (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE events_by_user_with_title AS
SELECT
  r.title
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
  h.title
FROM (
  SELECT
    f0.__row,
    user_id,
    event_timestamp,
    item_id,
    title
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
      title
    FROM events_by_user_with_title
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

-- udf_title_words (arrow_udf_transform): read by title_features:words, whose values become with_udf_title_words
SELECT
  CAST(COALESCE(title, CAST('(no title)' AS TEXT)) AS TEXT) AS title
FROM (
  SELECT
    f0.__row,
    title
  FROM (
    SELECT
      rowid AS __row,
      title
    FROM with_titles
  ) AS f0
) AS a
ORDER BY
  __row NULLS FIRST;

-- udf_seen_share (arrow_udf_transform): read by title_features:share_of_word, whose values become with_udf_seen_share
SELECT
  CAST(COALESCE(title, CAST('(no title)' AS TEXT)) AS TEXT) AS title,
  CAST(seen_titles AS TEXT[]) AS seen_titles
FROM (
  SELECT
    f0.__row,
    title,
    seen_titles
  FROM (
    SELECT
      rowid AS __row,
      title
    FROM with_titles
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      seen_titles
    FROM with_events_by_user
  ) AS f1
) AS a
ORDER BY
  __row NULLS FIRST;

-- udf_title_length (arrow_udf_transform): read by pyarrow.compute:utf8_length, whose values become with_udf_title_length
SELECT
  CAST(COALESCE(title, CAST('(no title)' AS TEXT)) AS TEXT) AS title
FROM (
  SELECT
    f0.__row,
    title
  FROM (
    SELECT
      rowid AS __row,
      title
    FROM with_titles
  ) AS f0
) AS a
ORDER BY
  __row NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(title AS TEXT) AS title,
    CAST(title_words AS INT) AS title_words,
    CAST(seen_share AS DOUBLE) AS seen_share,
    CAST(long_title AS BOOLEAN) AS long_title,
    CAST(title_length AS INT) AS title_length
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      item_id,
      COALESCE(title, CAST('(no title)' AS TEXT)) AS title,
      COALESCE(title_words, CAST(0 AS INT)) AS title_words,
      seen_share,
      (
        CAST(COALESCE(title_words, CAST(0 AS INT)) AS INT) > 2
      ) AS long_title,
      title_length
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
        title
      FROM with_titles
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        title_words
      FROM with_udf_title_words
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        seen_share
      FROM with_udf_seen_share
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        title_length
      FROM with_udf_title_length
      WHERE
        rowid < 100000
    ) AS f4
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
