-- ranking on 2024-01-02. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  item_id,
  event_timestamp
FROM (
  SELECT
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
  known_at,
  price,
  priced_at
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price,
    CAST(event_timestamp AS TIMESTAMP) AS priced_at
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_prices (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  item_id,
  event_timestamp
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  item_id ASC NULLS FIRST;

-- pit_prices (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices AS
SELECT
  r.price,
  r.priced_at
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM prices AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_prices_2 (scan): part of the statements that read it
CREATE VIEW prices_2 AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  price,
  price_at_once
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price_at_once
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_prices_2 (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices_2 (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices_2 AS
SELECT
  r.price_at_once
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM prices_2 AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_prices_3 (scan): part of the statements that read it
CREATE VIEW prices_3 AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  price,
  price_1h
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price_1h
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 23:00:00' AS TIMESTAMP);

-- pit_prices_3 (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices_3 (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices_3 AS
SELECT
  CASE WHEN l.__time - r.__time <= 3600000000 THEN r.price_1h END AS price_1h
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM prices_3 AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_prices_4 (scan): part of the statements that read it
CREATE VIEW prices_4 AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  price,
  price_exact
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price_exact
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_prices_4 (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices_4 (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices_4 AS
SELECT
  r.price_exact
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM prices_4 AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time >= r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_prices_5 (scan): part of the statements that read it
CREATE VIEW prices_5 AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  known_then
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(known_at AS TIMESTAMP) AS known_then
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_prices_5 (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_prices_5 (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_prices_5 AS
SELECT
  r.known_then
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM prices_5 AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

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
    CAST(on_stock AS BIGINT) AS on_stock
  FROM READ_PARQUET(['stock/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_stock (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_stock (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_stock AS
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM stock AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_stock_2 (scan): part of the statements that read it
CREATE VIEW stock_2 AS
SELECT
  item_id,
  event_timestamp,
  on_stock,
  stock_now
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(on_stock AS BIGINT) AS on_stock,
    CAST(on_stock AS BIGINT) AS stock_now
  FROM READ_PARQUET(['stock/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_stock_2 (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_stock_2 (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_stock_2 AS
SELECT
  r.stock_now
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      item_id,
      stock_now,
      on_stock,
      COALESCE(
        EPOCH_US(event_timestamp),
        CASE
          WHEN event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __time,
      COALESCE(
        EPOCH_US(event_timestamp),
        CASE
          WHEN event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN 9223372036854775807
          WHEN event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
          THEN -9223372036854775807
        END
      ) AS __visible
    FROM stock_2 AS h
    WHERE
      NOT item_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY item_id, __time ORDER BY on_stock DESC) = 1
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_sales_by_item (scan): part of the statements that read it
CREATE VIEW sales_by_item AS
SELECT
  item_id,
  event_timestamp
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['sales/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- rolling_sales_by_item (rolling_aggregate): the day's entities
CREATE TEMP TABLE daeda_entities_0 AS
SELECT
  item_id,
  CAST(ROW_NUMBER() OVER (ORDER BY item_id NULLS FIRST) - 1 AS BIGINT) AS __entity
FROM (
  SELECT DISTINCT
    item_id
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
  ) AS s
  WHERE
    NOT item_id IS NULL
) AS k;

-- rolling_sales_by_item (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_0 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(l.event_timestamp) AS __time
FROM (
  SELECT
    f0.__row,
    item_id,
    event_timestamp
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      item_id
    FROM rows_of_spine
  ) AS f0
) AS l
INNER JOIN daeda_entities_0 AS e
  ON l.item_id = e.item_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- rolling_sales_by_item (rolling_aggregate): their history, read by the kernel, which makes with_sales_by_item
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
  CASE
    WHEN COALESCE(
      EPOCH_US(h.event_timestamp),
      CASE
        WHEN h.event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN 9223372036854775807
        WHEN h.event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN -9223372036854775807
      END
    ) > 9223372033254775807
    THEN 9223372036854775807
    ELSE COALESCE(
      EPOCH_US(h.event_timestamp),
      CASE
        WHEN h.event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN 9223372036854775807
        WHEN h.event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN -9223372036854775807
      END
    ) + 3600000000
  END AS __usable
FROM sales_by_item AS h
INNER JOIN daeda_entities_0 AS e
  ON h.item_id = e.item_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- scan_sales_by_item_2 (scan): part of the statements that read it
CREATE VIEW sales_by_item_2 AS
SELECT
  item_id,
  event_timestamp
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['sales/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- rolling_sales_by_item_2 (rolling_aggregate): their history, read by the kernel, which makes with_sales_by_item_2
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
FROM sales_by_item_2 AS h
INNER JOIN daeda_entities_0 AS e
  ON h.item_id = e.item_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- scan_sales_by_item_3_rows (scan): part of the statements that read it
CREATE VIEW sales_by_item_3_rows AS
SELECT
  item_id,
  event_timestamp
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['sales/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2024-01-01 00:00:00' AS TIMESTAMP);

-- scan_sales_by_item_3_attribute_1 (scan): part of the statements that read it
CREATE VIEW sales_by_item_3_attribute_1 AS
SELECT
  item_id,
  event_timestamp,
  known_at,
  price
FROM (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(known_at AS TIMESTAMP) AS known_at,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2024-01-03 00:00:00' AS TIMESTAMP);

-- pit_sales_by_item_3_with_price (pit_join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_sales_by_item_3_rows AS
SELECT
  item_id,
  event_timestamp
FROM sales_by_item_3_rows AS l
ORDER BY
  item_id ASC NULLS FIRST,
  event_timestamp ASC NULLS FIRST;

-- pit_sales_by_item_3_with_price (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_sales_by_item_3_with_price (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE sales_by_item_3_with_price AS
SELECT
  r.price
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
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_sales_by_item_3_rows
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM sales_by_item_3_attribute_1 AS h4
  QUALIFY
    __rank = MAX(__rank) OVER (PARTITION BY item_id ORDER BY __visible NULLS FIRST)
) AS r
  ON l.item_id = r.item_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- rolling_sales_by_item_3 (rolling_aggregate): their history, read by the kernel, which makes with_sales_by_item_3
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
  CASE
    WHEN COALESCE(
      EPOCH_US(h.event_timestamp),
      CASE
        WHEN h.event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN 9223372036854775807
        WHEN h.event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN -9223372036854775807
      END
    ) > 9223372035054775807
    THEN 9223372036854775807
    ELSE COALESCE(
      EPOCH_US(h.event_timestamp),
      CASE
        WHEN h.event_timestamp > CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN 9223372036854775807
        WHEN h.event_timestamp < CAST('1970-01-01 00:00:00' AS TIMESTAMP)
        THEN -9223372036854775807
      END
    ) + 1800000000
  END AS __usable,
  h.price
FROM (
  SELECT
    f0.__row,
    item_id,
    event_timestamp,
    price
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      item_id
    FROM rows_of_sales_by_item_3_rows
  ) AS f0
  POSITIONAL JOIN (
    SELECT
      price
    FROM sales_by_item_3_with_price
  ) AS f1
) AS h
INNER JOIN daeda_entities_0 AS e
  ON h.item_id = e.item_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(item_id AS BIGINT) AS item_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price AS DOUBLE) AS price,
    CAST(price_at_once AS DOUBLE) AS price_at_once,
    CAST(price_1h AS DOUBLE) AS price_1h,
    CAST(price_exact AS DOUBLE) AS price_exact,
    CAST(priced_at AS TIMESTAMP) AS priced_at,
    CAST(known_then AS TIMESTAMP) AS known_then,
    CAST(on_stock AS BIGINT) AS on_stock,
    CAST(stock_now AS BIGINT) AS stock_now,
    CAST(age AS BIGINT) AS age,
    CAST(sales AS BIGINT) AS sales,
    CAST(sales_known AS BIGINT) AS sales_known,
    CAST(sold_for AS DOUBLE[]) AS sold_for
  FROM (
    SELECT
      f0.__row,
      item_id,
      event_timestamp,
      price,
      price_at_once,
      price_1h,
      price_exact,
      priced_at,
      known_then,
      on_stock,
      stock_now,
      (
        EPOCH_US((
          event_timestamp
        )) - EPOCH_US((
          priced_at
        ))
      ) AS age,
      sales,
      sales_known,
      sold_for
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        item_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        price,
        priced_at
      FROM with_prices
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        price_at_once
      FROM with_prices_2
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        price_1h
      FROM with_prices_3
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        price_exact
      FROM with_prices_4
      WHERE
        rowid < 100000
    ) AS f4
    POSITIONAL JOIN (
      SELECT
        known_then
      FROM with_prices_5
      WHERE
        rowid < 100000
    ) AS f5
    POSITIONAL JOIN (
      SELECT
        on_stock
      FROM with_stock
      WHERE
        rowid < 100000
    ) AS f6
    POSITIONAL JOIN (
      SELECT
        stock_now
      FROM with_stock_2
      WHERE
        rowid < 100000
    ) AS f7
    POSITIONAL JOIN (
      SELECT
        sales
      FROM with_sales_by_item
      WHERE
        rowid < 100000
    ) AS f8
    POSITIONAL JOIN (
      SELECT
        sales_known
      FROM with_sales_by_item_2
      WHERE
        rowid < 100000
    ) AS f9
    POSITIONAL JOIN (
      SELECT
        sold_for
      FROM with_sales_by_item_3
      WHERE
        rowid < 100000
    ) AS f10
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
