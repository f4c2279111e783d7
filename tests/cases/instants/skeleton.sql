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
    CAST(event_timestamp AS TIMESTAMP_NS) AS event_timestamp
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  EPOCH_NS(event_timestamp) < 1704240000000000000
  AND EPOCH_NS(event_timestamp) >= 1704153600000000000;

-- scan_plans (scan): part of the statements that read it
CREATE VIEW plans AS
SELECT
  user_id,
  since,
  plan
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(since AS INT) AS since,
    CAST(plan AS TEXT) AS plan
  FROM READ_PARQUET(['plans.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  CAST(since AS BIGINT) < 1704240000;

-- pit_plans (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST;

-- pit_plans (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_plans (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_plans AS
SELECT
  r.plan
FROM (
  SELECT
    __row,
    user_id,
    EPOCH_NS(event_timestamp) AS __time
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
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      user_id,
      plan,
      since,
      CASE
        WHEN CAST(since AS BIGINT) > 9223372036
        THEN 9223372036854775807
        WHEN CAST(since AS BIGINT) < -9223372036
        THEN -9223372036854775807
        ELSE (
          CAST(since AS BIGINT)
        ) * 1000000000
      END AS __time,
      CASE
        WHEN CAST(since AS BIGINT) > 9223372036
        THEN 9223372036854775807
        WHEN CAST(since AS BIGINT) < -9223372036
        THEN -9223372036854775807
        ELSE (
          CAST(since AS BIGINT)
        ) * 1000000000
      END AS __visible
    FROM plans AS h
    WHERE
      NOT user_id IS NULL AND NOT since IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY user_id, __time ORDER BY since DESC, plan DESC) = 1
) AS r
  ON l.user_id = r.user_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_birthdays (scan): part of the statements that read it
CREATE VIEW birthdays AS
SELECT
  user_id,
  noted,
  birthday,
  zoned
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(noted AS DATE) AS noted,
    CAST(birthday AS DATE) AS birthday,
    CAST(zoned AS TIMESTAMPTZ) AS zoned
  FROM READ_PARQUET(['birthdays.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  noted < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND noted >= CAST('2023-12-31 00:00:00' AS TIMESTAMP);

-- pit_birthdays (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_birthdays (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_birthdays AS
SELECT
  CASE WHEN l.__time - r.__time <= 172800000000000 THEN r.birthday END AS birthday,
  CASE WHEN l.__time - r.__time <= 172800000000000 THEN r.zoned END AS zoned
FROM (
  SELECT
    __row,
    user_id,
    EPOCH_NS(event_timestamp) AS __time
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
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      user_id,
      birthday,
      zoned,
      noted,
      CASE
        WHEN noted > CAST('2262-04-11 23:47:16.854775' AS TIMESTAMP)
        THEN 9223372036854775807
        WHEN noted < CAST('1677-09-21 00:12:43.145225' AS TIMESTAMP)
        THEN -9223372036854775807
        ELSE (
          EPOCH_US(CAST(noted AS TIMESTAMP))
        ) * 1000
      END AS __time,
      CASE
        WHEN noted > CAST('2262-04-11 23:47:16.854775' AS TIMESTAMP)
        THEN 9223372036854775807
        WHEN noted < CAST('1677-09-21 00:12:43.145225' AS TIMESTAMP)
        THEN -9223372036854775807
        ELSE (
          EPOCH_US(CAST(noted AS TIMESTAMP))
        ) * 1000
      END AS __visible
    FROM birthdays AS h
    WHERE
      NOT user_id IS NULL AND NOT noted IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY user_id, __time ORDER BY noted DESC, birthday DESC, zoned DESC) = 1
) AS r
  ON l.user_id = r.user_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_clicks_by_user (scan): part of the statements that read it
CREATE VIEW clicks_by_user AS
SELECT
  user_id,
  clicked_at,
  seen_at
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(clicked_at AS BIGINT) AS clicked_at,
    CAST(seen_at AS TIMESTAMP_MS) AS seen_at
  FROM READ_PARQUET(['clicks/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  CAST(clicked_at AS BIGINT) < 1704240000000;

-- rolling_clicks_by_user (rolling_aggregate): the day's entities
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

-- rolling_clicks_by_user (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_0 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_NS(l.event_timestamp) AS __time
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

-- rolling_clicks_by_user (rolling_aggregate): their history, read by the kernel, which makes with_clicks_by_user
SELECT
  e.__entity,
  CASE
    WHEN CAST(h.clicked_at AS BIGINT) > 9223372036854
    THEN 9223372036854775807
    WHEN CAST(h.clicked_at AS BIGINT) < -9223372036854
    THEN -9223372036854775807
    ELSE (
      CAST(h.clicked_at AS BIGINT)
    ) * 1000000
  END AS __time,
  h.clicked_at,
  h.seen_at
FROM clicks_by_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.clicked_at IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.clicked_at NULLS FIRST,
  h.seen_at NULLS FIRST;

-- scan_events_by_user (scan): part of the statements that read it
CREATE VIEW events_by_user AS
SELECT
  user_id,
  event_timestamp
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP_NS) AS event_timestamp
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  EPOCH_NS(event_timestamp) < 1704240000000000000
  AND EPOCH_NS(event_timestamp) >= 1704067200000000000;

-- rolling_events_by_user (rolling_aggregate): their history, read by the kernel, which makes with_events_by_user
SELECT
  e.__entity,
  EPOCH_NS(h.event_timestamp) AS __time,
  h.event_timestamp
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
    CAST(event_timestamp AS TIMESTAMP_NS) AS event_timestamp,
    CAST(plan AS TEXT) AS plan,
    CAST(birthday AS DATE) AS birthday,
    CAST(zoned AS TIMESTAMPTZ) AS zoned,
    CAST(clicks_1s AS BIGINT) AS clicks_1s,
    CAST(clicks_1d AS BIGINT) AS clicks_1d,
    CAST(last_click AS BIGINT) AS last_click,
    CAST(seen AS TIMESTAMP_MS[]) AS seen,
    CAST(events_500ns AS BIGINT) AS events_500ns,
    CAST(last_event AS TIMESTAMP_NS) AS last_event
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      plan,
      birthday,
      zoned,
      clicks_1s,
      clicks_1d,
      last_click,
      seen,
      events_500ns,
      last_event
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
        plan
      FROM with_plans
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        birthday,
        zoned
      FROM with_birthdays
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        clicks_1d,
        clicks_1s,
        last_click,
        seen
      FROM with_clicks_by_user
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        events_500ns,
        last_event
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f4
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
