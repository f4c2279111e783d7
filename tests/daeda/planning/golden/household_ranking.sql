-- household_ranking on 2017-01-29. Paths of views are relative to data_root; only the partitions that the day needs
-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.

-- scan_spine (scan): part of the statements that read it
CREATE VIEW spine AS
SELECT
  household_id,
  basket_id,
  product_id,
  store_id,
  event_timestamp
FROM (
  SELECT
    CAST(household_id AS BIGINT) AS household_id,
    CAST(basket_id AS BIGINT) AS basket_id,
    CAST(product_id AS BIGINT) AS product_id,
    CAST(store_id AS BIGINT) AS store_id,
    CAST(transaction_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['transactions/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2017-01-30 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2017-01-29 00:00:00' AS TIMESTAMP);

-- scan_products (scan): part of the statements that read it
CREATE VIEW products AS
SELECT
  product_id,
  manufacturer_id,
  department,
  brand,
  product_category,
  product_type
FROM (
  SELECT
    CAST(product_id AS BIGINT) AS product_id,
    CAST(manufacturer_id AS BIGINT) AS manufacturer_id,
    CAST(department AS TEXT) AS department,
    CAST(brand AS TEXT) AS brand,
    CAST(product_category AS TEXT) AS product_category,
    CAST(product_type AS TEXT) AS product_type
  FROM READ_PARQUET(['products.parquet'], hive_partitioning := FALSE)
) AS s;

-- join_products (join): rows of its left side get their numbers
CREATE TEMP TABLE rows_of_spine AS
SELECT
  household_id,
  basket_id,
  product_id,
  store_id,
  event_timestamp
FROM spine AS l
ORDER BY
  event_timestamp ASC NULLS FIRST,
  household_id ASC NULLS FIRST,
  basket_id ASC NULLS FIRST,
  product_id ASC NULLS FIRST,
  store_id ASC NULLS FIRST;

-- join_products (join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_products AS
SELECT
  r.manufacturer_id,
  r.department,
  r.brand,
  r.product_category,
  r.product_type
FROM (
  SELECT
    f0.__row,
    product_id
  FROM (
    SELECT
      rowid AS __row,
      product_id
    FROM rows_of_spine
  ) AS f0
) AS l
LEFT JOIN products AS r
  ON l.product_id = r.product_id
ORDER BY
  l.__row NULLS FIRST;

-- scan_product_prices (scan): part of the statements that read it
CREATE VIEW product_prices AS
SELECT
  product_id,
  event_timestamp,
  price
FROM (
  SELECT
    CAST(product_id AS BIGINT) AS product_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(price + CAST('0.0' AS DOUBLE) AS DOUBLE) AS price
  FROM READ_PARQUET(['product_prices/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2017-01-30 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2017-01-01 00:00:00' AS TIMESTAMP);

-- pit_product_prices (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_product_prices (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_product_prices AS
SELECT
  CASE WHEN l.__time - r.__time <= 2419200000000 THEN r.price END AS price
FROM (
  SELECT
    __row,
    product_id,
    EPOCH_US(event_timestamp) AS __time
  FROM (
    SELECT
      f0.__row,
      product_id,
      event_timestamp
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        product_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      product_id,
      price,
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
    FROM product_prices AS h
    WHERE
      NOT product_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY product_id, __time ORDER BY price DESC) = 1
) AS r
  ON l.product_id = r.product_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_household_campaigns (scan): part of the statements that read it
CREATE VIEW household_campaigns AS
SELECT
  household_id,
  event_timestamp,
  running_campaigns
FROM (
  SELECT
    CAST(household_id AS BIGINT) AS household_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(running_campaigns AS BIGINT[]) AS running_campaigns
  FROM READ_PARQUET(['household_campaigns.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2017-01-30 00:00:00' AS TIMESTAMP);

-- pit_household_campaigns (pit_join): the statement below where its right side does not fit in memory; else its rows are read
-- in any order, put in order and searched by the day's probes, for the same rows

-- pit_household_campaigns (pit_join): its new columns, one row for each row of its left side
CREATE TEMP TABLE with_household_campaigns AS
SELECT
  r.running_campaigns
FROM (
  SELECT
    __row,
    household_id,
    EPOCH_US(event_timestamp) AS __time
  FROM (
    SELECT
      f0.__row,
      household_id,
      event_timestamp
    FROM (
      SELECT
        rowid AS __row,
        event_timestamp,
        household_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
) AS l
ASOF LEFT JOIN (
  SELECT
    *
  FROM (
    SELECT
      household_id,
      running_campaigns,
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
    FROM household_campaigns AS h
    WHERE
      NOT household_id IS NULL AND NOT event_timestamp IS NULL
  ) AS h2
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY household_id, __time
      ORDER BY LIST_TRANSFORM(
        running_campaigns,
        LAMBDA __item0 : {'known': NOT __item0 IS NULL, 'value': __item0}
      ) DESC
    ) = 1
) AS r
  ON l.household_id = r.household_id AND l.__time > r.__visible
ORDER BY
  l.__row NULLS FIRST;

-- scan_transactions_by_household (scan): part of the statements that read it
CREATE VIEW transactions_by_household AS
SELECT
  household_id,
  basket_id,
  product_id,
  store_id,
  event_timestamp,
  sales_value
FROM (
  SELECT
    CAST(household_id AS BIGINT) AS household_id,
    CAST(basket_id AS BIGINT) AS basket_id,
    CAST(product_id AS BIGINT) AS product_id,
    CAST(store_id AS BIGINT) AS store_id,
    CAST(transaction_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(sales_value + CAST('0.0' AS DOUBLE) AS DOUBLE) AS sales_value
  FROM READ_PARQUET(['transactions/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2017-01-30 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2017-01-01 00:00:00' AS TIMESTAMP);

-- rolling_transactions_by_household (rolling_aggregate): the day's entities
CREATE TEMP TABLE daeda_entities_0 AS
SELECT
  household_id,
  CAST(ROW_NUMBER() OVER (ORDER BY household_id NULLS FIRST) - 1 AS BIGINT) AS __entity
FROM (
  SELECT DISTINCT
    household_id
  FROM (
    SELECT
      f0.__row,
      household_id
    FROM (
      SELECT
        rowid AS __row,
        household_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
  WHERE
    NOT household_id IS NULL
) AS k;

-- rolling_transactions_by_household (rolling_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_0 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(l.event_timestamp) AS __time
FROM (
  SELECT
    f0.__row,
    household_id,
    event_timestamp
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      household_id
    FROM rows_of_spine
  ) AS f0
) AS l
INNER JOIN daeda_entities_0 AS e
  ON l.household_id = e.household_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- rolling_transactions_by_household (rolling_aggregate): their history, read by the kernel, which makes with_transactions_by_household
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
  h.product_id,
  h.sales_value,
  h.event_timestamp,
  h.store_id
FROM transactions_by_household AS h
INNER JOIN daeda_entities_0 AS e
  ON h.household_id = e.household_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  h.basket_id NULLS FIRST,
  h.product_id NULLS FIRST,
  h.store_id NULLS FIRST,
  h.sales_value NULLS FIRST;

-- scan_transactions_after_household_product (scan): part of the statements that read it
CREATE VIEW transactions_after_household_product AS
SELECT
  household_id,
  product_id,
  event_timestamp
FROM (
  SELECT
    CAST(household_id AS BIGINT) AS household_id,
    CAST(product_id AS BIGINT) AS product_id,
    CAST(transaction_timestamp AS TIMESTAMP) AS event_timestamp
  FROM READ_PARQUET(['transactions/**/*.parquet'], hive_partitioning := FALSE)
) AS s
WHERE
  event_timestamp < CAST('2017-02-27 00:00:00' AS TIMESTAMP)
  AND event_timestamp >= CAST('2017-01-29 00:00:00' AS TIMESTAMP);

-- label_transactions_after_household_product (label_aggregate): the day's entities
CREATE TEMP TABLE daeda_entities_1 AS
SELECT
  household_id,
  product_id,
  CAST(ROW_NUMBER() OVER (ORDER BY household_id NULLS FIRST, product_id NULLS FIRST) - 1 AS BIGINT) AS __entity
FROM (
  SELECT DISTINCT
    household_id,
    product_id
  FROM (
    SELECT
      f0.__row,
      household_id,
      product_id
    FROM (
      SELECT
        rowid AS __row,
        household_id,
        product_id
      FROM rows_of_spine
    ) AS f0
  ) AS s
  WHERE
    NOT household_id IS NULL AND NOT product_id IS NULL
) AS k;

-- label_transactions_after_household_product (label_aggregate): their rows, read by the kernel
CREATE TABLE daeda_probes_1 AS
SELECT
  l.__row,
  e.__entity,
  EPOCH_US(l.event_timestamp) AS __time
FROM (
  SELECT
    f0.__row,
    household_id,
    product_id,
    event_timestamp
  FROM (
    SELECT
      rowid AS __row,
      event_timestamp,
      household_id,
      product_id
    FROM rows_of_spine
  ) AS f0
) AS l
INNER JOIN daeda_entities_1 AS e
  ON l.household_id = e.household_id AND l.product_id = e.product_id
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST,
  l.__row NULLS FIRST;

-- label_transactions_after_household_product (label_aggregate): their history, read by the kernel, which makes with_transactions_after_household_product
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
FROM transactions_after_household_product AS h
INNER JOIN daeda_entities_1 AS e
  ON h.household_id = e.household_id AND h.product_id = e.product_id
WHERE
  NOT h.event_timestamp IS NULL
ORDER BY
  e.__entity NULLS FIRST,
  __time NULLS FIRST;

-- assemble (project): no statement of its own: its columns are computed where they are read

-- sink (sink): one COPY for each part, this is the first
COPY (
  SELECT
    CAST(household_id AS BIGINT) AS household_id,
    CAST(product_id AS BIGINT) AS product_id,
    CAST(basket_id AS BIGINT) AS basket_id,
    CAST(store_id AS BIGINT) AS store_id,
    CAST(event_timestamp AS TIMESTAMP) AS event_timestamp,
    CAST(bought_again_28d AS BOOLEAN) AS bought_again_28d,
    CAST(department AS TEXT) AS department,
    CAST(brand AS TEXT) AS brand,
    CAST(product_category AS TEXT) AS product_category,
    CAST(product_type AS TEXT) AS product_type,
    CAST(manufacturer_id AS BIGINT) AS manufacturer_id,
    CAST(price AS DOUBLE) AS price,
    CAST(running_campaigns AS BIGINT[]) AS running_campaigns,
    CAST(recent_products_7d AS BIGINT[]) AS recent_products_7d,
    CAST(recent_products_28d AS BIGINT[]) AS recent_products_28d,
    CAST(purchases_1d AS BIGINT) AS purchases_1d,
    CAST(purchases_7d AS BIGINT) AS purchases_7d,
    CAST(purchases_28d AS BIGINT) AS purchases_28d,
    CAST(spend_1d AS DOUBLE) AS spend_1d,
    CAST(spend_7d AS DOUBLE) AS spend_7d,
    CAST(spend_28d AS DOUBLE) AS spend_28d,
    CAST(last_purchase_timestamp AS TIMESTAMP) AS last_purchase_timestamp,
    CAST(last_purchases AS STRUCT(product_id BIGINT, store_id BIGINT, sales_value DOUBLE, age BIGINT)[]) AS last_purchases,
    CAST(product_vector AS REAL[]) AS product_vector,
    CAST(recent_products_vector AS REAL[]) AS recent_products_vector
  FROM (
    SELECT
      f0.__row,
      household_id,
      product_id,
      basket_id,
      store_id,
      event_timestamp,
      bought_again_28d,
      department,
      brand,
      product_category,
      product_type,
      manufacturer_id,
      price,
      COALESCE(running_campaigns, CAST([] AS BIGINT[])) AS running_campaigns,
      recent_products_7d,
      recent_products_28d,
      purchases_1d,
      purchases_7d,
      purchases_28d,
      spend_1d,
      spend_7d,
      spend_28d,
      last_purchase_timestamp,
      last_purchases,
      CAST(NULL AS REAL[]) AS product_vector,
      CAST(NULL AS REAL[]) AS recent_products_vector
    FROM (
      SELECT
        rowid AS __row,
        basket_id,
        event_timestamp,
        household_id,
        product_id,
        store_id
      FROM rows_of_spine
      WHERE
        rowid < 100000
    ) AS f0
    POSITIONAL JOIN (
      SELECT
        brand,
        department,
        manufacturer_id,
        product_category,
        product_type
      FROM with_products
      WHERE
        rowid < 100000
    ) AS f1
    POSITIONAL JOIN (
      SELECT
        price
      FROM with_product_prices
      WHERE
        rowid < 100000
    ) AS f2
    POSITIONAL JOIN (
      SELECT
        running_campaigns
      FROM with_household_campaigns
      WHERE
        rowid < 100000
    ) AS f3
    POSITIONAL JOIN (
      SELECT
        last_purchase_timestamp,
        last_purchases,
        purchases_1d,
        purchases_28d,
        purchases_7d,
        recent_products_28d,
        recent_products_7d,
        spend_1d,
        spend_28d,
        spend_7d
      FROM with_transactions_by_household
      WHERE
        rowid < 100000
    ) AS f4
    POSITIONAL JOIN (
      SELECT
        bought_again_28d
      FROM with_transactions_after_household_product
      WHERE
        rowid < 100000
    ) AS f5
  ) AS a
) TO 'part-0-0.parquet' (FORMAT parquet);
