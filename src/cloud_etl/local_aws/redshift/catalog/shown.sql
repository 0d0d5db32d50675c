-- What the SHOW commands answer about this database, in the columns Redshift documents.
CREATE FUNCTION redshift_catalog.elsewhere(place text) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN place <> current_database() THEN nullif(current_setting('redshift.elsewhere', true), '')::jsonb END
$$;

CREATE VIEW redshift_catalog.show_databases AS
SELECT database_name, database_owner, database_type, database_acl, database_options AS parameters, database_isolation_level
FROM pg_catalog.svv_redshift_databases;

CREATE VIEW redshift_catalog.show_schemas AS
SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, source_database, schema_option
FROM pg_catalog.svv_all_schemas WHERE schema_name !~ '^(pg_catalog|pg_toast|pg_temp|redshift_catalog)';

CREATE VIEW redshift_catalog.show_tables AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, relname::varchar AS table_name,
  CASE WHEN relpersistence = 't' THEN 'LOCAL TEMPORARY' ELSE redshift_catalog.table_kind(relkind) END::varchar
    AS table_type,
  array_to_string(relacl, '~')::varchar AS table_acl, obj_description(c.oid, 'pg_class')::varchar AS remarks,
  pg_get_userbyid(relowner)::varchar AS owner, NULL::timestamp AS last_altered_time,
  NULL::timestamp AS last_modified_time,
  CASE WHEN relkind = 'r' THEN CASE reldiststyle WHEN 0 THEN 'EVEN' WHEN 8 THEN 'ALL' WHEN 1 THEN 'KEY' ELSE 'AUTO' END
    END::varchar AS dist_style,
  CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'v' THEN 'REGULAR VIEW' ELSE 'REGULAR TABLE' END::varchar
    AS table_subtype
FROM redshift_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'v', 'm', 'p') AND nspname !~ '^(pg_toast|redshift_catalog)';

CREATE FUNCTION redshift_catalog.type_name(kind oid, modifier int) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE kind WHEN 17 THEN 'binary varying' WHEN 1186 THEN format_type(kind, modifier)
    ELSE format_type(kind, NULL) END
$$;

CREATE VIEW redshift_catalog.show_columns AS
SELECT current_database()::varchar AS database_name, schema_name::varchar AS schema_name,
  table_name::varchar AS table_name, column_name::varchar AS column_name, place AS ordinal_position,
  default_value::varchar AS column_default, CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable,
  redshift_catalog.type_name(atttypid, modifier)::varchar AS data_type,
  redshift_catalog.width_of(type_id, modifier) AS character_maximum_length,
  redshift_catalog.precision_of(type_id, modifier) AS numeric_precision,
  redshift_catalog.scale_of(type_id, modifier) AS numeric_scale, remarks::varchar AS remarks,
  CASE WHEN attsortkeyord <> 0 THEN coalesce(upper(attributes->>'sortstyle'), 'COMPOUND') END::varchar AS sort_key_type,
  attsortkeyord::int AS sort_key, attisdistkey::int AS dist_key, encoding::varchar AS encoding,
  NULL::varchar AS collation
FROM redshift_catalog.shown_columns AS s LEFT JOIN redshift_catalog.table_attributes AS t ON t.table_id = s.table_id
WHERE schema_name <> 'redshift_catalog';

CREATE VIEW redshift_catalog.key_columns AS
SELECT n.nspname, c.relname, c.oid AS table_id, a.attname, key, key->>'name' AS key_name, place
FROM redshift_catalog.table_attributes AS t, jsonb_array_elements(attributes->'keys') AS key,
  jsonb_array_elements_text(key->'columns') WITH ORDINALITY AS listed (number, place),
  pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n, pg_catalog.pg_attribute AS a
WHERE c.oid = t.table_id AND n.oid = relnamespace AND attrelid = c.oid AND attnum = number::int;

CREATE VIEW redshift_catalog.show_primary_keys AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, relname::varchar AS table_name,
  attname::varchar AS column_name, place::int AS key_seq, key_name::varchar AS pk_name
FROM redshift_catalog.key_columns WHERE key->>'kind' = 'p';

CREATE VIEW redshift_catalog.show_foreign_keys AS
SELECT current_database()::varchar AS pk_database_name, n.nspname::varchar AS pk_schema_name,
  c.relname::varchar AS pk_table_name, a.attname::varchar AS pk_column_name,
  current_database()::varchar AS fk_database_name, k.nspname::varchar AS fk_schema_name,
  k.relname::varchar AS fk_table_name, k.attname::varchar AS fk_column_name, place::int AS key_seq,
  3 AS update_rule, 3 AS delete_rule, key_name::varchar AS fk_name,
  (SELECT min(key_name) FROM redshift_catalog.key_columns AS p
   WHERE p.table_id = c.oid AND p.key->>'kind' = 'p')::varchar AS pk_name, 7 AS deferrability
FROM redshift_catalog.key_columns AS k, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n, pg_catalog.pg_attribute AS a
WHERE key->>'kind' = 'f' AND c.oid = (key->>'table')::oid AND n.oid = relnamespace AND attrelid = c.oid
  AND attnum = (key->'table_columns'->>(place::int - 1))::int;

-- GRANT ALL gives PostgreSQL's rights; Redshift's ALL holds three more.
CREATE FUNCTION redshift_catalog.grants(acl aclitem[], owner oid) RETURNS TABLE (
  privilege_type varchar, identity_id int, identity_name varchar, identity_type varchar, admin_option bool,
  privilege_scope varchar, grantor_name varchar) LANGUAGE sql STABLE AS $$
  WITH given AS (SELECT * FROM aclexplode(acl) WHERE grantee <> owner), everything AS (
    SELECT grantor, grantee, word, bool_and(is_grantable) AS is_grantable
    FROM given, unnest(ARRAY['ALTER', 'DROP', 'RULE']) AS more (word)
    GROUP BY grantor, grantee, word HAVING count(DISTINCT privilege_type) >= 7)
  SELECT word::varchar, grantee::int, coalesce(rolname, 'public')::varchar,
    CASE WHEN grantee = 0 THEN 'public' WHEN rolcanlogin THEN 'user' ELSE 'role' END::varchar, is_grantable,
    'TABLE'::varchar, pg_get_userbyid(grantor)::varchar
  FROM (SELECT grantor, grantee, privilege_type AS word, is_grantable FROM given WHERE privilege_type <> 'MAINTAIN'
        UNION ALL SELECT * FROM everything) AS every LEFT JOIN pg_catalog.pg_roles ON oid = grantee
$$;
CREATE VIEW redshift_catalog.show_grants AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, relname::varchar AS object_name,
  'TABLE'::varchar AS object_type, granted.*
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace,
  LATERAL redshift_catalog.grants(relacl, relowner) AS granted
WHERE relkind IN ('r', 'v', 'm', 'p') AND nspname !~ '^(pg_toast|redshift_catalog)';
CREATE VIEW redshift_catalog.show_column_grants AS
SELECT current_database()::varchar AS database_name, schema_name::varchar AS schema_name,
  table_name::varchar AS table_name, column_name::varchar AS column_name, 'COLUMN'::varchar AS object_type, granted.*
FROM redshift_catalog.shown_columns, LATERAL redshift_catalog.grants(attacl, relowner) AS granted;

CREATE VIEW redshift_catalog.routines AS
SELECT p.oid, nspname, proname, prokind, pronargs, oidvectortypes(proargtypes) AS arguments,
  CASE WHEN prokind <> 'p' THEN format_type(prorettype, NULL)
    WHEN proargmodes && '{o,b}'::"char"[] THEN (
      SELECT CASE count(*) WHEN 1 THEN min(format_type(kind, NULL)) ELSE 'record' END
      FROM unnest(proallargtypes, proargmodes) AS listed (kind, mode) WHERE mode IN ('o', 'b'))
  END AS returned,
  obj_description(p.oid, 'pg_proc') AS remarks, coalesce(proallargtypes, proargtypes::oid[]) AS kinds, proargmodes AS modes,
  proargnames AS names, prorettype,
  (SELECT attributes->'modifiers' FROM redshift_catalog.table_attributes WHERE table_id = p.oid) AS modifiers
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = pronamespace;
CREATE VIEW redshift_catalog.show_procedures AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, proname::varchar AS procedure_name,
  pronargs::int AS number_of_arguments, arguments::varchar AS argument_list, returned::varchar AS return_type,
  remarks::varchar AS remarks
FROM redshift_catalog.routines WHERE prokind = 'p';
CREATE VIEW redshift_catalog.show_functions AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, proname::varchar AS function_name,
  pronargs::int AS number_of_arguments, arguments::varchar AS argument_list, returned::varchar AS return_type,
  remarks::varchar AS remarks
FROM redshift_catalog.routines WHERE prokind <> 'p';

CREATE VIEW redshift_catalog.routine_parameters AS
SELECT nspname, proname, prokind, arguments, place::int AS place, kind,
  coalesce((modifiers->>(place::int - 1))::int, -1) AS modifier, coalesce(name, '') AS name,
  CASE mode WHEN 'o' THEN 'OUT' WHEN 'b' THEN 'INOUT' WHEN 't' THEN 'TABLE' ELSE 'IN' END AS mode
FROM redshift_catalog.routines,
  LATERAL unnest(kinds, modes, names) WITH ORDINALITY AS listed (kind, mode, name, place) WHERE kind IS NOT NULL
UNION ALL
SELECT nspname, proname, prokind, arguments, 0, prorettype, -1, '', 'RETURN' FROM redshift_catalog.routines WHERE prokind <> 'p';
CREATE VIEW redshift_catalog.show_procedure_parameters AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, proname::varchar AS procedure_name,
  name::varchar AS parameter_name, place AS ordinal_position, mode::varchar AS parameter_type,
  redshift_catalog.type_name(kind, modifier)::varchar AS data_type, redshift_catalog.width_of(kind, modifier) AS character_maximum_length,
  redshift_catalog.precision_of(kind, modifier) AS numeric_precision, redshift_catalog.scale_of(kind, modifier) AS numeric_scale,
  arguments::varchar AS argument_list
FROM redshift_catalog.routine_parameters WHERE prokind = 'p';
CREATE VIEW redshift_catalog.show_function_parameters AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, proname::varchar AS function_name,
  name::varchar AS parameter_name, place AS ordinal_position, mode::varchar AS parameter_type,
  redshift_catalog.type_name(kind, modifier)::varchar AS data_type, redshift_catalog.width_of(kind, modifier) AS character_maximum_length,
  redshift_catalog.precision_of(kind, modifier) AS numeric_precision, redshift_catalog.scale_of(kind, modifier) AS numeric_scale,
  arguments::varchar AS argument_list
FROM redshift_catalog.routine_parameters WHERE prokind <> 'p';
