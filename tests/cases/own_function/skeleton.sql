-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then writes a file of its new columns, in that order.

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
COPY (
  SELECT
    user_id,
    event_timestamp,
    item_id
  FROM spine AS l
  ORDER BY
    event_timestamp ASC NULLS FIRST,
    user_id ASC NULLS FIRST,
    item_id ASC NULLS FIRST
) TO 'rows_of_spine.parquet' (FORMAT parquet);

-- join_titles (join): its new columns, one row for each row of its left side
COPY (
  SELECT
    r.title
  FROM (
    SELECT
      f0.__row,
      item_id
    FROM (
      SELECT
        file_row_number AS __row,
        item_id
      FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
    ) AS f0
  ) AS l
  LEFT JOIN titles AS r
    ON l.item_id = r.item_id
  ORDER BY
    l.__row NULLS FIRST
) TO 'with_titles.parquet' (FORMAT parquet);

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
COPY (
  SELECT
    user_id,
    event_timestamp,
    item_id
  FROM events_by_user_rows AS l
  ORDER BY
    user_id ASC NULLS FIRST,
    event_timestamp ASC NULLS FIRST,
    item_id ASC NULLS FIRST
) TO 'rows_of_events_by_user_rows.parquet' (FORMAT parquet);

-- join_events_by_user_with_title (join): its new columns, one row for each row of its left side
COPY (
  SELECT
    r.title
  FROM (
    SELECT
      f0.__row,
      item_id
    FROM (
      SELECT
        file_row_number AS __row,
        item_id
      FROM READ_PARQUET(
        ['rows_of_events_by_user_rows.parquet'],
        hive_partitioning := FALSE,
        file_row_number := TRUE
      )
    ) AS f0
  ) AS l
  LEFT JOIN events_by_user_attribute_1 AS r
    ON l.item_id = r.item_id
  ORDER BY
    l.__row NULLS FIRST
) TO 'events_by_user_with_title.parquet' (FORMAT parquet);

-- rolling_events_by_user (rolling_aggregate): the day's entities
CREATE OR REPLACE TEMP TABLE daeda_entities AS
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
        file_row_number AS __row,
        user_id
      FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
    ) AS f0
  ) AS s
  WHERE
    NOT user_id IS NULL
) AS k;

-- rolling_events_by_user (rolling_aggregate): their rows, read by the kernel
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
      file_row_number AS __row,
      event_timestamp,
      user_id
    FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
  ) AS f0
) AS l
INNER JOIN daeda_entities AS e
  ON l.user_id = e.user_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- rolling_events_by_user (rolling_aggregate): their history, read by the kernel, which writes with_events_by_user.parquet
SELECT
  e.__entity,
  EPOCH_US(h.event_timestamp) AS __time,
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
      file_row_number AS __row,
      event_timestamp,
      item_id,
      user_id
    FROM READ_PARQUET(
      ['rows_of_events_by_user_rows.parquet'],
      hive_partitioning := FALSE,
      file_row_number := TRUE
    )
  ) AS f0
  LEFT JOIN (
    SELECT
      file_row_number AS __row,
      title
    FROM READ_PARQUET(
      ['events_by_user_with_title.parquet'],
      hive_partitioning := FALSE,
      file_row_number := TRUE
    )
  ) AS f1
    ON f1.__row = f0.__row
) AS h
INNER JOIN daeda_entities AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.item_id NULLS FIRST;

-- udf_title_words (arrow_udf_transform): read by title_features:words, whose values become with_udf_title_words.parquet
SELECT
  CAST(title AS TEXT) AS title
FROM (
  SELECT
    f0.__row,
    title
  FROM (
    SELECT
      file_row_number AS __row,
      title
    FROM READ_PARQUET(['with_titles.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
  ) AS f0
) AS a
ORDER BY
  __row NULLS FIRST;

-- udf_seen_share (arrow_udf_transform): read by title_features:share_of_word, whose values become with_udf_seen_share.parquet
SELECT
  CAST(title AS TEXT) AS title,
  CAST(seen_titles AS TEXT[]) AS seen_titles
FROM (
  SELECT
    f0.__row,
    title,
    seen_titles
  FROM (
    SELECT
      file_row_number AS __row,
      title
    FROM READ_PARQUET(['with_titles.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
  ) AS f0
  LEFT JOIN (
    SELECT
      file_row_number AS __row,
      seen_titles
    FROM READ_PARQUET(['with_events_by_user.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
  ) AS f1
    ON f1.__row = f0.__row
) AS a
ORDER BY
  __row NULLS FIRST;

-- udf_title_length (arrow_udf_transform): read by pyarrow.compute:utf8_length, whose values become with_udf_title_length.parquet
SELECT
  CAST(title AS TEXT) AS title
FROM (
  SELECT
    f0.__row,
    title
  FROM (
    SELECT
      file_row_number AS __row,
      title
    FROM READ_PARQUET(['with_titles.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
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
        (
          title_words
        ) > 2
      ) AS long_title,
      title_length
    FROM (
      SELECT
        file_row_number AS __row,
        event_timestamp,
        item_id,
        user_id
      FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      WHERE
        file_row_number < 100000
    ) AS f0
    LEFT JOIN (
      SELECT
        file_row_number AS __row,
        title
      FROM READ_PARQUET(['with_titles.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      WHERE
        file_row_number < 100000
    ) AS f1
      ON f1.__row = f0.__row
    LEFT JOIN (
      SELECT
        file_row_number AS __row,
        title_words
      FROM READ_PARQUET(
        ['with_udf_title_words.parquet'],
        hive_partitioning := FALSE,
        file_row_number := TRUE
      )
      WHERE
        file_row_number < 100000
    ) AS f2
      ON f2.__row = f0.__row
    LEFT JOIN (
      SELECT
        file_row_number AS __row,
        seen_share
      FROM READ_PARQUET(['with_udf_seen_share.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      WHERE
        file_row_number < 100000
    ) AS f3
      ON f3.__row = f0.__row
    LEFT JOIN (
      SELECT
        file_row_number AS __row,
        title_length
      FROM READ_PARQUET(
        ['with_udf_title_length.parquet'],
        hive_partitioning := FALSE,
        file_row_number := TRUE
      )
      WHERE
        file_row_number < 100000
    ) AS f4
      ON f4.__row = f0.__row
  ) AS a
  ORDER BY
    __row NULLS FIRST
) TO 'part-0-0.parquet' (FORMAT parquet);
