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
SELECT count(*) FROM (SELECT "order_id" FROM cloud_etl_copied_1 GROUP BY "order_id" HAVING count(*) > 1) AS doubled;
SELECT count(*) FROM "shop"."sales" JOIN cloud_etl_copied_1 AS b ON "shop"."sales"."order_id" = b."order_id";
SELECT count(*) FROM cloud_etl_copied_1 AS b WHERE EXISTS (SELECT 1 FROM "shop"."sales" WHERE "shop"."sales"."order_id" = b."order_id");
SELECT count(*) FROM cloud_etl_copied_1;
MERGE INTO "shop"."sales" USING cloud_etl_copied_1 AS b ON "shop"."sales"."order_id" = b."order_id" WHEN MATCHED THEN UPDATE SET "amount" = b."amount" WHEN NOT MATCHED THEN INSERT ("order_id", "amount") VALUES (b."order_id", b."amount");
SELECT count(*) FROM "shop"."sales";
UPDATE cloud_etl.etl_fences SET fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1 WHERE pipeline = ? AND fence <= CAST(? AS BIGINT);
SELECT fence, run_id FROM cloud_etl.etl_fences WHERE pipeline = ? ORDER BY fence DESC;
INSERT INTO cloud_etl.etl_fences VALUES (?, CAST(? AS BIGINT), ?, 1);
INSERT INTO cloud_etl.etl_load_ledger VALUES (?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?);
INSERT INTO cloud_etl.etl_loaded_files VALUES (?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?);
COMMIT;
-- end of the session
