-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  event_timestamp,
  item_id,
  amount
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(amount + CAST('0.0' AS DOUBLE) AS DOUBLE) AS amount
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_items (scan): part of the statements that read it
CREATE VIEW items AS
SELECT
  item_id,
  category,
  weight,
  added,
  tags
FROM (
  SELECT
    CAST("ID" AS BIGINT) AS item_id,
    CAST("Category Name" AS TEXT) AS category,
    CAST(weight + CAST('0.0' AS REAL) AS REAL) AS weight,
    CAST(added AS DATE) AS added,
    CAST(tags AS TEXT[]) AS tags
  FROM READ_PARQUET(['items.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_items (join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp,
  item_id,
  amount
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST,
  item_id ASC NULLS FIRST,
  amount ASC NULLS FIRST;

-- join_items (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_items AS
SELECT
  r.category,
  r.weight,
  r.added,
  r.tags
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
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(amount AS DOUBLE) AS amount,
    CAST(category AS TEXT) AS category,
    CAST(weight AS REAL) AS weight,
    CAST(added AS DATE) AS added,
    CAST(tags AS TEXT[]) AS tags,
    CAST(age_days AS BIGINT) AS age_days,
    CAST(per_weight AS DOUBLE) AS per_weight,
    CAST(is_toy AS BOOLEAN) AS is_toy,
    CAST(toys_in_berlin AS TINYINT) AS toys_in_berlin,
    CAST(busy AS BOOLEAN) AS busy,
    CAST(source AS TEXT) AS source
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      item_id,
      COALESCE(amount, CAST('0.0' AS DOUBLE)) AS amount,
      COALESCE(category, CAST('unknown' AS TEXT)) AS category,
      weight,
      COALESCE(added, CAST('1970-01-01' AS DATE)) AS added,
      COALESCE(tags, CAST(['none'] AS TEXT[])) AS tags,
      (
        DATE_DIFF(
          'DAY',
          CAST(COALESCE(added, CAST('1970-01-01' AS DATE)) AS DATE),
          (
            event_timestamp
          )
        )
      ) AS age_days,
      (
        COALESCE(CAST(COALESCE(amount, CAST('0.0' AS DOUBLE)) AS DOUBLE), 0) / NULLIF((
          weight
        ), 0)
      ) AS per_weight,
      COALESCE(
        (
          CAST(COALESCE(category, CAST('unknown' AS TEXT)) AS TEXT) = 'toys'
        ),
        CAST(FALSE AS BOOLEAN)
      ) AS is_toy,
      (
        CASE
          WHEN CAST(COALESCE(
            (
              CAST(COALESCE(category, CAST('unknown' AS TEXT)) AS TEXT) = 'toys'
            ),
            CAST(FALSE AS BOOLEAN)
          ) AS BOOLEAN)
          THEN CAST(HOUR(
            TIMEZONE(
              'Europe/Berlin',
              MAKE_TIMESTAMPTZ(
                EPOCH_US((
                  (
                    event_timestamp
                  )
                )) - CASE
                  WHEN TYPEOF((
                    (
                      event_timestamp
                    )
                  )) = 'TIMESTAMP_NS'
                  THEN CASE WHEN EPOCH_NS((
                    (
                      event_timestamp
                    )
                  )) % 1000 < 0 THEN 1 ELSE 0 END
                  ELSE 0
                END
              )
            )
          ) AS TINYINT)
          ELSE CAST(ISODOW(
            TIMEZONE(
              'Europe/Berlin',
              MAKE_TIMESTAMPTZ(
                EPOCH_US((
                  (
                    event_timestamp
                  )
                )) - CASE
                  WHEN TYPEOF((
                    (
                      event_timestamp
                    )
                  )) = 'TIMESTAMP_NS'
                  THEN CASE WHEN EPOCH_NS((
                    (
                      event_timestamp
                    )
                  )) % 1000 < 0 THEN 1 ELSE 0 END
                  ELSE 0
                END
              )
            )
          ) AS TINYINT)
        END
      ) AS toys_in_berlin,
      (
        (
          events_1d
        ) > 1
      ) AS busy,
      CAST('feed' AS TEXT) AS source
    FROM (
      SELECT
        rowid AS __row,
        amount,
        event_timestamp,
        item_id,
        user_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        added,
        category,
        tags,
        weight
      FROM with_items
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        events_1d
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f2
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
