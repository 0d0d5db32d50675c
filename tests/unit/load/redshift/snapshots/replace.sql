SET query_group TO 'cloud-etl:run-1';
SET statement_timeout TO 3600000;
-- columns of a table
-- columns of a table
-- columns of a table
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
-- columns of a table
CREATE TEMP TABLE cloud_etl_copied_1 ("order_id" VARCHAR(1), "amount" DECIMAL(12,2), "_row_id" BIGINT);
COPY cloud_etl_copied_1 ("order_id", "amount", "_row_id") FROM 's3://lake/processed-data/out_20240501/run_1/manifest.json' IAM_ROLE default FORMAT AS PARQUET MANIFEST;
SELECT pg_last_copy_count();
SELECT count(*) FROM cloud_etl_copied_1;
BEGIN;
LOCK "shop"."sales";
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
SELECT identity FROM cloud_etl.etl_loaded_files WHERE pipeline = ?;
-- columns of a table
SELECT count(*) FROM "shop"."sales";
DELETE FROM "shop"."sales";
INSERT INTO "shop"."sales" ("order_id", "amount") SELECT b."order_id", b."amount" FROM cloud_etl_copied_1 AS b;
SELECT count(*) FROM "shop"."sales";
UPDATE cloud_etl.etl_fences SET fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1 WHERE pipeline = ? AND fence <= CAST(? AS BIGINT);
SELECT fence, run_id FROM cloud_etl.etl_fences WHERE pipeline = ? ORDER BY fence DESC;
INSERT INTO cloud_etl.etl_fences VALUES (?, CAST(? AS BIGINT), ?, 1);
INSERT INTO cloud_etl.etl_load_ledger VALUES (?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?);
INSERT INTO cloud_etl.etl_loaded_files VALUES (?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?);
COMMIT;
-- end of the session
