SET query_group TO 'cloud-etl:export';
SET statement_timeout TO 3600000;
-- columns of a table
BEGIN;
DECLARE cloud_etl_export CURSOR FOR SELECT "order_id", JSON_SERIALIZE("extra") AS "extra", "valid_from", "valid_to", "is_current" FROM "shop"."sales" WHERE is_current;
FETCH FORWARD 20000 FROM cloud_etl_export;
CLOSE cloud_etl_export;
COMMIT;
-- end of the session
