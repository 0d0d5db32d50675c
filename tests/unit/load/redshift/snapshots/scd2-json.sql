SET query_group TO 'cloud-etl:run-1';
SET statement_timeout TO 3600000;
-- columns of a table
-- columns of a table
-- columns of a table
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
-- columns of a table
CREATE TEMP TABLE cloud_etl_copied_1 ("order_id" VARCHAR(1), "extra" VARCHAR(2), "_row_id" BIGINT);
COPY cloud_etl_copied_1 ("order_id", "extra", "_row_id") FROM 's3://lake/processed-data/out_20240501/run_1/manifest.json' IAM_ROLE default FORMAT AS PARQUET MANIFEST;
SELECT pg_last_copy_count();
SELECT count(*) FROM cloud_etl_copied_1;
BEGIN;
LOCK "shop"."sales";
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
SELECT identity FROM cloud_etl.etl_loaded_files WHERE pipeline = ?;
-- columns of a table
SELECT count(*) FROM "shop"."sales";
CREATE TEMP TABLE cloud_etl_batch_1 AS SELECT "order_id", JSON_PARSE("extra") AS "extra" FROM cloud_etl_copied_1;
SELECT count(*) FROM (SELECT "order_id" FROM cloud_etl_batch_1 GROUP BY "order_id" HAVING count(*) > 1) AS doubled;
SELECT count(*) FROM cloud_etl_batch_1;
DROP TABLE IF EXISTS cloud_etl_changed;
CREATE TEMP TABLE cloud_etl_changed AS SELECT DISTINCT b."order_id" FROM cloud_etl_batch_1 AS b LEFT JOIN (SELECT * FROM "shop"."sales" WHERE is_current) AS t ON t."order_id" = b."order_id" WHERE t.is_current IS NULL OR (JSON_SERIALIZE(t."extra") <> JSON_SERIALIZE(b."extra") OR (t."extra" IS NULL AND b."extra" IS NOT NULL) OR (t."extra" IS NOT NULL AND b."extra" IS NULL));
SELECT count(*) FROM cloud_etl_changed;
SELECT count(*) FROM "shop"."sales" AS t JOIN cloud_etl_changed AS b ON t."order_id" = b."order_id" WHERE t.is_current AND t.valid_from > TIMESTAMP '2024-05-01 00:00:00.000000';
DROP TABLE IF EXISTS cloud_etl_kept;
CREATE TEMP TABLE cloud_etl_kept AS SELECT "order_id", "owner" FROM (SELECT "shop"."sales"."order_id", "shop"."sales"."owner", row_number() OVER (PARTITION BY "shop"."sales"."order_id" ORDER BY "shop"."sales"."order_id") AS kept_number FROM "shop"."sales" JOIN cloud_etl_changed AS b ON "shop"."sales"."order_id" = b."order_id" WHERE "shop"."sales".is_current) AS n WHERE kept_number = 1;
SELECT count(*) FROM cloud_etl_kept;
UPDATE "shop"."sales" SET valid_to = TIMESTAMP '2024-05-01 00:00:00.000000', is_current = FALSE FROM cloud_etl_changed WHERE "shop"."sales"."order_id" = cloud_etl_changed."order_id" AND "shop"."sales".is_current;
INSERT INTO "shop"."sales" ("order_id", "extra", "valid_from", "valid_to", "is_current") SELECT b."order_id", b."extra", TIMESTAMP '2024-05-01 00:00:00.000000', NULL, TRUE FROM (SELECT "order_id", "extra" FROM cloud_etl_batch_1 AS s WHERE EXISTS (SELECT 1 FROM cloud_etl_changed AS c WHERE c."order_id" = s."order_id")) AS b WHERE NOT EXISTS (SELECT 1 FROM cloud_etl_kept AS k WHERE k."order_id" = b."order_id");
INSERT INTO "shop"."sales" ("order_id", "extra", "valid_from", "valid_to", "is_current", "owner") SELECT b."order_id", b."extra", TIMESTAMP '2024-05-01 00:00:00.000000', NULL, TRUE, k."owner" FROM (SELECT "order_id", "extra" FROM cloud_etl_batch_1 AS s WHERE EXISTS (SELECT 1 FROM cloud_etl_changed AS c WHERE c."order_id" = s."order_id")) AS b JOIN cloud_etl_kept AS k ON k."order_id" = b."order_id";
DROP TABLE cloud_etl_kept;
DROP TABLE cloud_etl_changed;
SELECT count(*) FROM "shop"."sales";
UPDATE cloud_etl.etl_fences SET fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1 WHERE pipeline = ? AND fence <= CAST(? AS BIGINT);
SELECT fence, run_id FROM cloud_etl.etl_fences WHERE pipeline = ? ORDER BY fence DESC;
INSERT INTO cloud_etl.etl_fences VALUES (?, CAST(? AS BIGINT), ?, 1);
INSERT INTO cloud_etl.etl_load_ledger VALUES (?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?);
INSERT INTO cloud_etl.etl_loaded_files VALUES (?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?);
COMMIT;
-- end of the session
