SET query_group TO 'cloud-etl:run-1';
SET statement_timeout TO 3600000;
-- columns of a table
-- columns of a table
-- columns of a table
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
-- columns of a table
SELECT count(*) FROM pg_namespace WHERE lower(nspname) = lower(CAST(? AS VARCHAR(256)));
CREATE TEMP TABLE cloud_etl_copied_1 ("a""; drop table x; --" VARCHAR(1), "b'?%s:p1" INTEGER, "_row_id" BIGINT);
COPY cloud_etl_copied_1 ("a""; drop table x; --", "b'?%s:p1", "_row_id") FROM 's3://lake/processed-data/out_20240501/run_1/manifest.json' IAM_ROLE default FORMAT AS PARQUET MANIFEST;
SELECT pg_last_copy_count();
SELECT count(*) FROM cloud_etl_copied_1;
BEGIN;
LOCK "cloud_etl"."etl_load_ledger";
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
SELECT identity FROM cloud_etl.etl_loaded_files WHERE pipeline = ?;
-- columns of a table
SELECT count(*) FROM pg_namespace WHERE lower(nspname) = lower(CAST(? AS VARCHAR(256)));
CREATE SCHEMA IF NOT EXISTS "s'?""";
CREATE TABLE "s'?"""."t""%s" ("a""; drop table x; --" VARCHAR(16) NOT NULL, "b'?%s:p1" INTEGER, "valid_from" TIMESTAMP NOT NULL, "valid_to" TIMESTAMP, "is_current" BOOLEAN NOT NULL) DISTSTYLE AUTO;
COMMENT ON TABLE "s'?"""."t""%s" IS 'it''s ?';
SELECT count(*) FROM "s'?"""."t""%s";
SELECT count(*) FROM (SELECT "a""; drop table x; --" FROM cloud_etl_copied_1 GROUP BY "a""; drop table x; --" HAVING count(*) > 1) AS doubled;
INSERT INTO "s'?"""."t""%s" ("a""; drop table x; --", "b'?%s:p1", "valid_from", "valid_to", "is_current") SELECT b."a""; drop table x; --", b."b'?%s:p1", TIMESTAMP '2024-05-01 00:00:00.000000', NULL, TRUE FROM cloud_etl_copied_1 AS b;
SELECT count(*) FROM "s'?"""."t""%s";
UPDATE cloud_etl.etl_fences SET fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1 WHERE pipeline = ? AND fence <= CAST(? AS BIGINT);
SELECT fence, run_id FROM cloud_etl.etl_fences WHERE pipeline = ? ORDER BY fence DESC;
INSERT INTO cloud_etl.etl_fences VALUES (?, CAST(? AS BIGINT), ?, 1);
INSERT INTO cloud_etl.etl_load_ledger VALUES (?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?);
INSERT INTO cloud_etl.etl_loaded_files VALUES (?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?);
COMMIT;
-- end of the session
