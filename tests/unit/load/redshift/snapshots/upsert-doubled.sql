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
DROP TABLE IF EXISTS cloud_etl_kept;
CREATE TEMP TABLE cloud_etl_kept AS SELECT "order_id", "owner" FROM (SELECT "shop"."sales"."order_id", "shop"."sales"."owner", row_number() OVER (PARTITION BY "shop"."sales"."order_id" ORDER BY "shop"."sales"."order_id") AS kept_number FROM "shop"."sales" JOIN cloud_etl_copied_1 AS b ON "shop"."sales"."order_id" = b."order_id" WHERE TRUE) AS n WHERE kept_number = 1;
SELECT count(*) FROM cloud_etl_kept;
DELETE FROM "shop"."sales" USING cloud_etl_copied_1 WHERE "shop"."sales"."order_id" = cloud_etl_copied_1."order_id";
INSERT INTO "shop"."sales" ("order_id", "amount") SELECT b."order_id", b."amount" FROM cloud_etl_copied_1 AS b WHERE NOT EXISTS (SELECT 1 FROM cloud_etl_kept AS k WHERE k."order_id" = b."order_id");
INSERT INTO "shop"."sales" ("order_id", "amount", "owner") SELECT b."order_id", b."amount", k."owner" FROM cloud_etl_copied_1 AS b JOIN cloud_etl_kept AS k ON k."order_id" = b."order_id";
DROP TABLE cloud_etl_kept;
SELECT count(*) FROM "shop"."sales";
UPDATE cloud_etl.etl_fences SET fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1 WHERE pipeline = ? AND fence <= CAST(? AS BIGINT);
SELECT fence, run_id FROM cloud_etl.etl_fences WHERE pipeline = ? ORDER BY fence DESC;
INSERT INTO cloud_etl.etl_fences VALUES (?, CAST(? AS BIGINT), ?, 1);
INSERT INTO cloud_etl.etl_load_ledger VALUES (?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?);
INSERT INTO cloud_etl.etl_loaded_files VALUES (?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?);
COMMIT;
-- end of the session
