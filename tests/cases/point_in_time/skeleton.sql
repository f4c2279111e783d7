-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then writes a file of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  user_id,
  item_id,
  event_timestamp
FROM (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['events/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-02 00:00:00' AS TIMESTAMP);

-- scan_prices (scan): part of the statements that read it
CREATE VIEW prices AS
SELECT
  item_id,
  event_timestamp,
  price
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 18:00:00' AS TIMESTAMP);

-- pit_prices (pit_join): rows of its left side get their numbers
COPY (
  SELECT
    user_id,
    item_id,
    event_timestamp
  FROM spine AS l
  ORDER BY
    event_timestamp ASC NULLS FIRST,
    user_id ASC NULLS FIRST,
    item_id ASC NULLS FIRST
) TO 'rows_of_spine.parquet' (FORMAT parquet);

-- pit_prices (pit_join): its new columns, one row for each row of its left side
COPY (
  SELECT
    CASE WHEN l.__time - r.__time <= 21600000000 THEN r.price END AS price
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
          file_row_number AS __row,
          event_timestamp,
          item_id
        FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      ) AS f0
    ) AS s
  ) AS l
  ASOF LEFT JOIN (
    SELECT
      *
    FROM (
      SELECT
        item_id,
        price,
        EPOCH_US(event_timestamp) AS __time,
        EPOCH_US(event_timestamp) AS __visible
      FROM prices AS h
      WHERE
        NOT item_id IS NULL AND NOT event_timestamp IS NULL
    ) AS h2
    QUALIFY
      ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY price DESC) = 1
  ) AS r
    ON l.item_id = r.item_id AND l.__time > r.__visible
  ORDER BY
    l.__row NULLS FIRST
) TO 'with_prices.parquet' (FORMAT parquet);

-- scan_stock (scan): part of the statements that read it
CREATE VIEW stock AS
SELECT
  item_id,
  event_timestamp,
  on_stock
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(on_stock AS INT) AS on_stock
  FROM READ_PARQUET(['stock/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_stock (pit_join): its new columns, one row for each row of its left side
COPY (
  SELECT
    r.on_stock
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
          file_row_number AS __row,
          event_timestamp,
          item_id
        FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      ) AS f0
    ) AS s
  ) AS l
  ASOF LEFT JOIN (
    SELECT
      *
    FROM (
      SELECT
        item_id,
        on_stock,
        EPOCH_US(event_timestamp) AS __time,
        EPOCH_US(event_timestamp) AS __visible
      FROM stock AS h
      WHERE
        NOT item_id IS NULL AND NOT event_timestamp IS NULL
    ) AS h2
    QUALIFY
      ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY on_stock DESC) = 1
  ) AS r
    ON l.item_id = r.item_id AND l.__time >= r.__visible
  ORDER BY
    l.__row NULLS FIRST
) TO 'with_stock.parquet' (FORMAT parquet);

-- scan_offers (scan): part of the statements that read it
CREATE VIEW offers AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  offer,
  label
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(offer + CAST('0.0' AS DOUBLE) AS DOUBLE) AS offer,
    CAST(label AS TEXT) AS label
  FROM READ_PARQUET(['offers/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_offers (pit_join): its new columns, one row for each row of its left side
COPY (
  SELECT
    r.offer,
    r.label
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
          file_row_number AS __row,
          event_timestamp,
          item_id
        FROM READ_PARQUET(['rows_of_spine.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      ) AS f0
    ) AS s
  ) AS l
  ASOF LEFT JOIN (
    SELECT
      *
    FROM offers AS h4
    QUALIFY
      __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
  ) AS r
    ON l.item_id = r.item_id AND l.__time > r.__visible
  ORDER BY
    l.__row NULLS FIRST
) TO 'with_offers.parquet' (FORMAT parquet);

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(user_id AS BIGINT) AS user_id,
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price AS DOUBLE) AS price,
    CAST(on_stock AS INT) AS on_stock,
    CAST(offer AS DOUBLE) AS offer,
    CAST(label AS TEXT) AS label
  FROM (
    SELECT
      f0.__row,
      user_id,
      item_id,
      event_timestamp,
      price,
      COALESCE(on_stock, CAST(-1 AS INT)) AS on_stock,
      offer,
      label
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
        price
      FROM READ_PARQUET(['with_prices.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      WHERE
        file_row_number < 100000
    ) AS f1
      ON f1.__row = f0.__row
    LEFT JOIN (
      SELECT
        file_row_number AS __row,
        on_stock
      FROM READ_PARQUET(['with_stock.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      WHERE
        file_row_number < 100000
    ) AS f2
      ON f2.__row = f0.__row
    LEFT JOIN (
      SELECT
        file_row_number AS __row,
        label,
        offer
      FROM READ_PARQUET(['with_offers.parquet'], hive_partitioning := FALSE, file_row_number := TRUE)
      WHERE
        file_row_number < 100000
    ) AS f3
      ON f3.__row = f0.__row
  ) AS a
  ORDER BY
    __row NULLS FIRST
) TO 'part-0-0.parquet' (FORMAT parquet);
