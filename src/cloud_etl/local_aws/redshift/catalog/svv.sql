-- The SVV views and their kin over the tables of this database.
CREATE VIEW redshift_catalog.shown_columns AS
SELECT n.nspname AS schema_name, c.relname AS table_name, c.oid AS table_id, c.relkind, c.relowner, a.attname AS column_name,
  a.attnum AS number, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)::int AS place,
  pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, coalesce(nullif(t.typbasetype, 0), a.atttypid) AS type_id,
  pg_catalog.format_type(a.atttypid, NULL) AS bare_type, a.atttypid, a.atttypmod AS modifier, a.attnotnull, a.attacl,
  pg_catalog.format_encoding(a.attencodingtype) AS encoding, a.attisdistkey, a.attsortkeyord,
  d.adsrc AS default_value, pg_catalog.col_description(c.oid, a.attnum) AS remarks
FROM redshift_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN redshift_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN redshift_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v', 'm', 'p');

CREATE VIEW pg_catalog.pg_table_def AS
SELECT schema_name AS schemaname, table_name AS tablename, column_name AS "column", type, encoding,
  attisdistkey AS distkey, attsortkeyord AS sortkey, attnotnull AS "notnull"
FROM redshift_catalog.shown_columns
WHERE relkind = 'r' AND schema_name = ANY (current_schemas(true)) ORDER BY schema_name, table_name, number;

CREATE FUNCTION redshift_catalog.table_kind(kind "char") RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN kind IN ('v', 'm') THEN 'VIEW' ELSE 'TABLE' END $$;

CREATE VIEW pg_catalog.svv_tables AS
SELECT current_database()::varchar AS table_catalog, nspname::varchar AS table_schema, relname::varchar AS table_name,
  CASE WHEN relkind IN ('v', 'm') THEN 'VIEW' WHEN nspname ~ '^pg_temp' THEN 'LOCAL TEMP' ELSE 'BASE TABLE' END::varchar
    AS table_type,
  obj_description(c.oid, 'pg_class')::varchar AS remarks
FROM redshift_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'v', 'm', 'p');

CREATE FUNCTION redshift_catalog.precision_of(kind oid, modifier int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN kind = 1700 AND modifier >= 4 THEN (modifier - 4) >> 16
    ELSE (('{"21": 16, "23": 32, "20": 64, "700": 24, "701": 53}'::jsonb)->>kind::int8::text)::int END
$$;
CREATE FUNCTION redshift_catalog.scale_of(kind oid, modifier int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN kind = 1700 AND modifier >= 4 THEN (modifier - 4) & 65535 WHEN kind IN (20, 21, 23) THEN 0 END
$$;
CREATE FUNCTION redshift_catalog.width_of(kind oid, modifier int) RETURNS int LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN kind IN (1042, 1043) AND modifier > 4 THEN modifier - 4 END $$;

CREATE VIEW pg_catalog.svv_columns AS
SELECT current_database()::varchar AS table_catalog, schema_name::varchar AS table_schema,
  table_name::varchar AS table_name, column_name::varchar AS column_name, place AS ordinal_position,
  default_value::varchar AS column_default, CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable,
  bare_type::varchar AS data_type, redshift_catalog.width_of(type_id, modifier) AS character_maximum_length,
  redshift_catalog.precision_of(type_id, modifier) AS numeric_precision,
  CASE WHEN type_id = 1700 THEN 10 WHEN type_id IN (20, 21, 23, 700, 701) THEN 2 END AS numeric_precision_radix,
  redshift_catalog.scale_of(type_id, modifier) AS numeric_scale,
  CASE WHEN type_id IN (1083, 1114, 1184, 1266) THEN 6 END AS datetime_precision, NULL::varchar AS interval_type,
  NULL::varchar AS interval_precision, NULL::varchar AS character_set_catalog, NULL::varchar AS character_set_schema,
  NULL::varchar AS character_set_name, NULL::varchar AS collation_catalog, NULL::varchar AS collation_schema,
  NULL::varchar AS collation_name, NULL::varchar AS domain_name, remarks::varchar AS remarks
FROM redshift_catalog.shown_columns;

CREATE VIEW pg_catalog.svv_redshift_columns AS
SELECT current_database()::varchar AS database_name, schema_name::varchar AS schema_name,
  table_name::varchar AS table_name, column_name::varchar AS column_name, place AS ordinal_position,
  type::varchar AS data_type, default_value::varchar AS column_default,
  CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable, encoding::varchar AS encoding,
  attisdistkey AS distkey, attsortkeyord AS sortkey, array_to_string(attacl, '~')::varchar AS column_acl,
  remarks::varchar AS remarks
FROM redshift_catalog.shown_columns;
CREATE VIEW pg_catalog.svv_all_columns AS
SELECT current_database()::varchar AS database_name, schema_name::varchar AS schema_name,
  table_name::varchar AS table_name, column_name::varchar AS column_name, place AS ordinal_position,
  default_value::varchar AS column_default, CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable,
  bare_type::varchar AS data_type, redshift_catalog.width_of(type_id, modifier) AS character_maximum_length,
  redshift_catalog.precision_of(type_id, modifier) AS numeric_precision,
  redshift_catalog.scale_of(type_id, modifier) AS numeric_scale, remarks::varchar AS remarks
FROM redshift_catalog.shown_columns;

CREATE VIEW pg_catalog.svv_redshift_tables AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, relname::varchar AS table_name,
  redshift_catalog.table_kind(relkind)::varchar AS table_type, array_to_string(relacl, '~')::varchar AS table_acl,
  obj_description(c.oid, 'pg_class')::varchar AS remarks, pg_get_userbyid(relowner)::varchar AS table_owner
FROM redshift_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'v', 'm', 'p');
CREATE VIEW pg_catalog.svv_all_tables AS
SELECT database_name, schema_name, table_name, table_acl, table_type, remarks, table_owner
FROM pg_catalog.svv_redshift_tables;
CREATE VIEW pg_catalog.svv_redshift_schemas AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, nspowner::int AS schema_owner,
  'local'::varchar AS schema_type, array_to_string(nspacl, '~')::varchar AS schema_acl, ''::varchar AS schema_option
FROM redshift_catalog.pg_namespace;
CREATE VIEW pg_catalog.svv_all_schemas AS
SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, NULL::varchar AS source_database, schema_option
FROM pg_catalog.svv_redshift_schemas;
CREATE VIEW pg_catalog.svv_redshift_databases AS
SELECT datname::varchar AS database_name, datdba::int AS database_owner, 'local'::varchar AS database_type,
  array_to_string(datacl, '~')::varchar AS database_acl, ''::varchar AS database_options,
  'Serializable'::varchar AS database_isolation_level
FROM pg_catalog.pg_database WHERE NOT datistemplate AND datname <> 'postgres';
CREATE VIEW pg_catalog.svv_redshift_functions AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, proname::varchar AS function_name,
  CASE prokind WHEN 'p' THEN 'STORED PROCEDURE' ELSE 'REGULAR FUNCTION' END::varchar AS function_type,
  oidvectortypes(proargtypes)::varchar AS argument_type, format_type(prorettype, NULL)::varchar AS result_type
FROM pg_catalog.pg_proc AS p JOIN redshift_catalog.pg_namespace AS n ON n.oid = pronamespace;

CREATE VIEW pg_catalog.svv_external_schemas AS
SELECT 0::oid AS esoid, 1::smallint AS eskind, NULL::name AS schemaname, 0 AS esowner, NULL::text AS databasename,
  NULL::text AS esoptions WHERE false;
CREATE VIEW pg_catalog.svv_external_databases AS
SELECT 0 AS eskind, NULL::text AS esoptions, NULL::text AS databasename, NULL::text AS location WHERE false;
CREATE VIEW pg_catalog.svv_external_tables AS
SELECT NULL::text AS redshift_database_name, NULL::name AS schemaname, NULL::name AS tablename, NULL::text AS tabletype,
  NULL::text AS location, NULL::text AS input_format, NULL::text AS output_format, NULL::text AS serialization_lib,
  NULL::text AS serde_parameters, 0 AS compressed, NULL::text AS parameters WHERE false;
CREATE VIEW pg_catalog.svv_external_columns AS
SELECT NULL::text AS redshift_database_name, NULL::name AS schemaname, NULL::name AS tablename, NULL::name AS columnname,
  NULL::text AS external_type, 0 AS columnnum, 0 AS part_key, NULL::text AS is_nullable WHERE false;
CREATE VIEW pg_catalog.svv_external_partitions AS
SELECT NULL::name AS schemaname, NULL::name AS tablename, NULL::text AS "values", NULL::text AS location WHERE false;

CREATE FUNCTION redshift_catalog.count_rows(of_table oid) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE found bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', of_table::regclass) INTO found;
  RETURN found;
END $$;

CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::text AS database, nspname::text AS schema, c.oid AS table_id, relname::text AS "table",
  CASE WHEN EXISTS (SELECT FROM redshift_catalog.shown_columns WHERE table_id = c.oid AND encoding <> 'none')
    THEN 'Y' ELSE 'N' END::text AS encoded,
  CASE reldiststyle WHEN 0 THEN 'EVEN' WHEN 8 THEN 'ALL' WHEN 1 THEN format('KEY(%s)', (
      SELECT column_name FROM redshift_catalog.shown_columns WHERE table_id = c.oid AND attisdistkey))
    ELSE 'AUTO(ALL)' END::text AS diststyle,
  coalesce((SELECT CASE WHEN attributes->>'sortstyle' = 'interleaved' THEN 'INTERLEAVED' ELSE column_name END
    FROM redshift_catalog.shown_columns AS s LEFT JOIN redshift_catalog.table_attributes AS t ON t.table_id = s.table_id
    WHERE s.table_id = c.oid AND attsortkeyord = 1), 'AUTO(SORTKEY)')::text AS sortkey1,
  (SELECT max(redshift_catalog.width_of(type_id, modifier)) FROM redshift_catalog.shown_columns WHERE table_id = c.oid)
    AS max_varchar,
  (SELECT encoding FROM redshift_catalog.shown_columns WHERE table_id = c.oid AND attsortkeyord = 1)::char(32)
    AS sortkey1_enc,
  (SELECT count(*) FROM redshift_catalog.shown_columns WHERE table_id = c.oid AND attsortkeyord <> 0)::int
    AS sortkey_num,
  ceil(pg_total_relation_size(c.oid) / 1048576.0)::bigint AS size, 0::numeric(10,4) AS pct_used, 0::bigint AS empty,
  0::numeric(5,2) AS unsorted, 0::numeric(5,2) AS stats_off, counted::numeric(38,0) AS tbl_rows,
  NULL::numeric(19,2) AS skew_sortkey1, 1::numeric(19,2) AS skew_rows,
  counted::numeric(38,0) AS estimated_visible_rows, NULL::text AS risk_event,
  NULL::numeric(12,2) AS vacuum_sort_benefit, NULL::timestamp AS create_time
FROM redshift_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace,
  LATERAL redshift_catalog.count_rows(c.oid) AS counted
WHERE relkind = 'r' AND nspname !~ '^(pg_catalog|pg_toast|pg_temp|information_schema)';
CREATE VIEW pg_catalog.stv_tbl_perm AS
SELECT 0 AS slice, c.oid::int AS id, relname::char(72) AS name, counted AS rows, counted AS sorted_rows, (relpersistence = 't')::int AS temp,
  (SELECT oid::int FROM pg_catalog.pg_database WHERE datname = current_database()) AS db_id, 1 AS backup
FROM redshift_catalog.pg_class AS c, LATERAL redshift_catalog.count_rows(c.oid) AS counted
WHERE relkind = 'r' AND relnamespace <> 'pg_catalog'::regnamespace
  AND relnamespace <> 'information_schema'::regnamespace;

CREATE VIEW pg_catalog.pg_user_info AS
SELECT usename, usesysid, usecreatedb, usesuper, usecatupd, passwd, valuntil, useconfig, usesuper AS syslogaccess,
  'UNLIMITED'::text AS useconnlimit, 0 AS sessiontimeout, NULL::text AS external_id
FROM redshift_catalog.pg_user;
CREATE VIEW pg_catalog.svv_user_info AS
SELECT usename::varchar AS user_name, usesysid AS user_id, usecreatedb AS createdb, usesuper AS superuser,
  usecatupd AS catalog_update, 'UNLIMITED'::varchar AS connection_limit,
  CASE WHEN usesuper THEN 'UNRESTRICTED' ELSE 'RESTRICTED' END::varchar AS syslog_access, NULL::timestamp AS last_ddl_timestamp,
  0 AS session_timeout, NULL::varchar AS external_user_id
FROM redshift_catalog.pg_user;
CREATE VIEW pg_catalog.svv_roles AS
SELECT oid::int AS role_id, rolname::varchar AS role_name, NULL::varchar AS role_owner, NULL::varchar AS external_id
FROM pg_catalog.pg_roles WHERE NOT rolcanlogin AND rolname !~ '^pg_';

CREATE FUNCTION redshift_catalog.analyze_compression(named text)
RETURNS TABLE ("Table" text, "Column" text, "Encoding" text, "Est_reduction_pct" numeric(5,2)) LANGUAGE sql STABLE AS $$
  SELECT table_name::text, column_name::text, encoding, 0.00::numeric(5,2) FROM redshift_catalog.shown_columns
  WHERE table_id = named::regclass ORDER BY number
$$;
