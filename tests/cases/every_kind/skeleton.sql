-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  event_timestamp,
  item
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item AS TEXT) AS item
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_events_by_user (scan): part of the statements that read it
CREATE VIEW events_by_user AS
SELECT
  user_id,
  event_timestamp,
  item,
  amount,
  stars,
  liked
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item AS TEXT) AS item,
    CAST(amount + CAST('0.0' AS DOUBLE) AS DOUBLE) AS amount,
    CAST(stars AS INT) AS stars,
    CAST(liked AS BOOLEAN) AS liked
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- rolling_events_by_user (rolling_aggregate): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  user_id,
  event_timestamp,
  item
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  user_id ASC NULLS FIRST,
  item ASC NULLS FIRST;

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
  h.liked,
  h.amount,
  h.item,
  h.stars
FROM events_by_user AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.item NULLS FIRST,
  h.amount NULLS FIRST,
  h.stars NULLS FIRST;

-- scan_events_by_user_2_rows (scan): part of the statements that read it
CREATE VIEW events_by_user_2_rows AS
SELECT
  user_id,
  event_timestamp,
  item,
  stars
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item AS TEXT) AS item,
    CAST(stars AS INT) AS stars
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- filter_events_by_user_2 (filter): part of the statements that read it
CREATE VIEW events_by_user_2 AS
SELECT
  *
FROM events_by_user_2_rows AS l
WHERE
  stars >= 4;

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
  h.item
FROM events_by_user_2 AS h
INNER JOIN daeda_entities_0 AS e
  ON h.user_id = e.user_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.item NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(item AS TEXT) AS item,
    CAST(events_6h AS BIGINT) AS events_6h,
    CAST(events_unbounded AS BIGINT) AS events_unbounded,
    CAST(active AS BOOLEAN) AS active,
    CAST(praised AS BOOLEAN) AS praised,
    CAST(amounts AS BIGINT) AS amounts,
    CAST(items AS BIGINT) AS items,
    CAST(spent AS DOUBLE) AS spent,
    CAST(stars_sum AS BIGINT) AS stars_sum,
    CAST(mean_amount AS DOUBLE) AS mean_amount,
    CAST(least AS DOUBLE) AS least,
    CAST(most AS DOUBLE) AS most,
    CAST(spread AS DOUBLE) AS spread,
    CAST(first_item AS TEXT) AS first_item,
    CAST(last_item AS TEXT) AS last_item,
    CAST(since_event AS BIGINT) AS since_event,
    CAST(since_amount AS BIGINT) AS since_amount,
    CAST(rated_1d_p50 AS INT) AS rated_1d_p50,
    CAST(rated_1d_p99_9 AS INT) AS rated_1d_p99_9,
    CAST(rated_unbounded_p50 AS INT) AS rated_unbounded_p50,
    CAST(rated_unbounded_p99_9 AS INT) AS rated_unbounded_p99_9,
    CAST(middle_p50 AS TEXT) AS middle_p50,
    CAST(faded_1d AS DOUBLE) AS faded_1d,
    CAST(faded_unbounded AS DOUBLE) AS faded_unbounded,
    CAST(faded_amount AS DOUBLE) AS faded_amount,
    CAST(last_items AS TEXT[]) AS last_items,
    CAST(trail AS TEXT[]) AS trail,
    CAST(distinct_items AS TEXT[]) AS distinct_items,
    CAST(top_items AS TEXT[]) AS top_items,
    CAST(high_items AS TEXT[]) AS high_items,
    CAST(last_events AS STRUCT(item TEXT, stars INT, age BIGINT)[]) AS last_events
  FROM (
    SELECT
      f0.__row,
      user_id,
      event_timestamp,
      item,
      events_6h,
      events_unbounded,
      active,
      praised,
      amounts,
      items,
      spent,
      stars_sum,
      mean_amount,
      least,
      most,
      spread,
      first_item,
      last_item,
      since_event,
      since_amount,
      rated_1d_p50,
      rated_1d_p99_9,
      rated_unbounded_p50,
      rated_unbounded_p99_9,
      middle_p50,
      faded_1d,
      faded_unbounded,
      faded_amount,
      last_items,
      trail,
      distinct_items,
      top_items,
      high_items,
      last_events
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        item,
        user_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        active,
        amounts,
        distinct_items,
        events_6h,
        events_unbounded,
        faded_1d,
        faded_amount,
        faded_unbounded,
        first_item,
        items,
        last_events,
        last_item,
        last_items,
        least,
        mean_amount,
        middle_p50,
        most,
        praised,
        rated_1d_p50,
        rated_1d_p99_9,
        rated_unbounded_p50,
        rated_unbounded_p99_9,
        since_amount,
        since_event,
        spent,
        spread,
        stars_sum,
        top_items,
        trail
      FROM with_events_by_user
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        high_items
      FROM with_events_by_user_2
      WHERE
        rowid < 100000
    ) AS f2
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
