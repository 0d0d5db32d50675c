SET query_group TO 'cloud-etl:look';
SET statement_timeout TO 3600000;
SELECT column_name, data_type, is_nullable, column_default, character_maximum_length, numeric_precision, numeric_scale FROM svv_columns WHERE lower(table_schema) = lower(CAST(? AS VARCHAR(256))) AND lower(table_name) = lower(CAST(? AS VARCHAR(256))) ORDER BY ordinal_position;
