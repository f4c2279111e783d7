-- ranking on 2024-01-03. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  day
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(day AS DATE) AS day
  FROM READ_PARQUET(['visits/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  day < CAST('2024-01-04 00:00:00' AS TIMESTAMP)
  AND day >= CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- scan_visits_by_user (scan): part of the statements that read it
CREATE VIEW visits_by_user AS
SELECT
  user_id,
  day,
  pages
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(day AS DATE) AS day,
    CAST(pages AS BIGINT) AS pages
  FROM READ_PARQUET(['visits/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  day < CAST('2024-01-04 00:00:00' AS TIMESTAMP);

-- rolling_visits_by_user (rolling_aggregate): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  day
FROM spine AS l
ORDER BY
  day ASC NULLS FIRST,
  user_id ASC NULLS FIRST;

-- rolling_visits_by_user (rolling_aggregate): the day's entities
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

-- rolling_visits_by_user (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_0 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(CAST(l.day AS TIMESTAMP)) AS __time
FROM (
  SELECT
    f0.__row,
    user_id,
    day
  FROM (
    SELECT
      rowid AS __row,
      day,
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

-- rolling_visits_by_user (rolling_aggregate): their history, read by the kernel, which makes with_visits_by_user
SELECT
  e.__entity,
  COALESCE(
    EPOCH_US(CAST(h.day AS TIMESTAMP)),
    CASE
      WHEN h.day > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN 9223372036854775807
      WHEN h.day < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
      THEN -9223372036854775807
    END
  ) AS __time,
  h.pages
FROM visits_by_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.day IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- scan_clicks_by_user (scan): part of the statements that read it
CREATE VIEW clicks_by_user AS
SELECT
  user_id,
  clicked_at,
  item
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(clicked_at AS BIGINT) AS clicked_at,
    CAST(item AS TEXT) AS item
  FROM READ_PARQUET(['clicks/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  CAST(clicked_at AS BIGINT) < 1704326400000;

-- rolling_clicks_by_user (rolling_aggregate): their history, read by the kernel, which makes with_clicks_by_user
SELECT
  e.__entity,
  CASE
    WHEN CAST(h.clicked_at AS BIGINT) > 9223372036854775
    THEN 9223372036854775807
    WHEN CAST(h.clicked_at AS BIGINT) < -9223372036854775
    THEN -9223372036854775807
    ELSE (
      CAST(h.clicked_at AS BIGINT)
    ) * 1000
  END AS __time,
  h.item
FROM clicks_by_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.clicked_at IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.clicked_at NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(day AS DATE) AS day,
    CAST(since_visit AS BIGINT) AS since_visit,
    CAST(since_click AS BIGINT) AS since_click,
    CAST(since_item AS BIGINT) AS since_item,
    CAST(pages_p50 AS BIGINT) AS pages_p50,
    CAST(visited AS BOOLEAN) AS visited,
    CAST(fading_pages AS DOUBLE) AS fading_pages,
    CAST(fading_clicks AS DOUBLE) AS fading_clicks
  FROM (
    SELECT
      f0.__row,
      user_id,
      day,
      since_visit,
      since_click,
      since_item,
      pages_p50,
      visited,
      fading_pages,
      fading_clicks
    FROM (
      SELECT
        rowid AS __row,
        day,
        user_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        fading_pages,
        pages_p50,
        since_visit,
        visited
      FROM with_visits_by_user
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        fading_clicks,
        since_click,
        since_item
      FROM with_clicks_by_user
      WHERE
        rowid < 100000
    ) AS f2
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
