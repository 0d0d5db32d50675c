SET query_group TO 'cloud-etl:run-1';
SET statement_timeout TO 3600000;
-- columns of a table
CREATE SCHEMA IF NOT EXISTS cloud_etl;
CREATE TABLE IF NOT EXISTS cloud_etl.etl_load_ledger (pipeline VARCHAR(4096) NOT NULL, batch_id VARCHAR(4096) NOT NULL, run_id VARCHAR(4096) NOT NULL, loaded_at TIMESTAMP NOT NULL, files BIGINT NOT NULL, tables VARCHAR(65535) NOT NULL, PRIMARY KEY (pipeline, batch_id));
CREATE TABLE IF NOT EXISTS cloud_etl.etl_loaded_files (pipeline VARCHAR(4096) NOT NULL, uri VARCHAR(4096) NOT NULL, etag VARCHAR(4096), version VARCHAR(4096), size_bytes BIGINT NOT NULL, identity VARCHAR(4096) NOT NULL, batch_id VARCHAR(4096) NOT NULL, run_id VARCHAR(4096) NOT NULL, PRIMARY KEY (pipeline, identity));
CREATE TABLE IF NOT EXISTS cloud_etl.etl_fences (pipeline VARCHAR(4096) NOT NULL, fence BIGINT NOT NULL, run_id VARCHAR(4096) NOT NULL, claims BIGINT NOT NULL, PRIMARY KEY (pipeline));
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
-- columns of a table
SELECT count(*) FROM pg_namespace WHERE lower(nspname) = lower(CAST(? AS VARCHAR(256)));
CREATE TEMP TABLE cloud_etl_copied_1 ("id" INTEGER);
BEGIN;
LOCK "cloud_etl"."etl_load_ledger";
SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?;
SELECT identity FROM cloud_etl.etl_loaded_files WHERE pipeline = ?;
-- columns of a table
SELECT count(*) FROM pg_namespace WHERE lower(nspname) = lower(CAST(? AS VARCHAR(256)));
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE TABLE "shop"."sales" ("id" INTEGER) DISTSTYLE AUTO;
SELECT count(*) FROM "shop"."sales";
INSERT INTO "shop"."sales" ("id") SELECT b."id" FROM cloud_etl_copied_1 AS b;
SELECT count(*) FROM "shop"."sales";
UPDATE cloud_etl.etl_fences SET fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1 WHERE pipeline = ? AND fence <= CAST(? AS BIGINT);
SELECT fence, run_id FROM cloud_etl.etl_fences WHERE pipeline = ? ORDER BY fence DESC;
INSERT INTO cloud_etl.etl_fences VALUES (?, CAST(? AS BIGINT), ?, 1);
INSERT INTO cloud_etl.etl_load_ledger VALUES (?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?);
INSERT INTO cloud_etl.etl_loaded_files VALUES (?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?);
COMMIT;
-- end of the session
