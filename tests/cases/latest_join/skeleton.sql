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

-- scan_items (scan): part of the statements that read it
CREATE VIEW items AS
SELECT
  item_id,
  author_id
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(author_id AS TEXT) AS author_id
  FROM READ_PARQUET(['items.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_items (join): rows of its left side get their numbers
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

-- join_items (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_items AS
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
    FROM rows_of_spine
  ) AS f0
) AS l
LEFT JOIN items AS r
  ON l.item_id = r.item_id
ORDER BY
  l.__row NULLS FIRST;

-- scan_latest_authors (scan): part of the statements that read it
CREATE VIEW latest_authors AS
SELECT
  author_id,
  event_timestamp,
  known_at,
  fans,
  name
FROM (
  SELECT
    CAST(author_id AS TEXT) AS author_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(fans AS BIGINT) AS fans,
    CAST(name AS TEXT) AS name
  FROM READ_PARQUET(['authors/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  NOT event_timestamp IS NULL;

-- join_latest_authors (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_latest_authors AS
SELECT
  r.fans,
  r.name
FROM (
  SELECT
    f0.__row,
    author_id
  FROM (
    SELECT
      rowid AS __row,
      author_id
    FROM with_items
  ) AS f0
) AS l
LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      author_id,
      fans,
      name,
      event_timestamp,
      known_at
    FROM latest_authors AS h
    WHERE
      NOT author_id IS NULL AND NOT event_timestamp IS NULL AND NOT known_at IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY author_id
      ORDER BY event_timestamp DESC, known_at DESC, fans DESC, name DESC
    ) = 1
) AS r
  ON l.author_id = r.author_id
ORDER BY
  l.__row NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(author_id AS TEXT) AS author_id,
    CAST(fans AS BIGINT) AS fans,
    CAST(name AS TEXT) AS name
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      item_id,
      author_id,
      fans,
      COALESCE(name, CAST('nobody' AS TEXT)) AS name
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
        author_id
      FROM with_items
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        fans,
        name
      FROM with_latest_authors
      WHERE
        rowid < 100000
    ) AS f2
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
