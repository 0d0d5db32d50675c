-- Tables and columns as Redshift shows them. What stands before a catalogue of PostgreSQL's lies in redshift_catalog, whose
-- place in the search path is before pg_catalog; everything else lies in pg_catalog, as in Redshift.
CREATE FUNCTION redshift_catalog.is_shown(schema_id oid) RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT schema_id <> 'redshift_catalog'::regnamespace $$;

CREATE FUNCTION pg_catalog.format_encoding(kind int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT (ARRAY['none', 'bytedict', 'delta', 'delta32k', 'lzo', 'mostly8', 'mostly16', 'mostly32', 'runlength', 'text255',
                'text32k', 'zstd', 'az64'])[kind + 1]
$$;
-- ENCODE AUTO, as Redshift resolves it for a column that names no encoding.
CREATE FUNCTION redshift_catalog.encoding(named text, kind oid, in_sortkey boolean) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN named = 'raw' THEN 'none'
    WHEN named IS NOT NULL AND named <> 'auto' THEN named
    WHEN in_sortkey OR kind IN ('bool'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'none'
    WHEN kind IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'date'::regtype,
                  'timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'timetz'::regtype) THEN 'az64'
    WHEN kind = 'super'::regtype THEN 'zstd'
    ELSE 'lzo' END
$$;
CREATE FUNCTION redshift_catalog.encoding_number(named text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT number FROM generate_series(0, 12) AS number WHERE pg_catalog.format_encoding(number) = named
$$;
CREATE FUNCTION redshift_catalog.sort_position(attributes jsonb, number int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce((
    SELECT place * CASE WHEN attributes->>'sortstyle' = 'interleaved' AND place % 2 = 0 THEN -1 ELSE 1 END
    FROM jsonb_array_elements_text(attributes->'sortkeys') WITH ORDINALITY AS keys (key, place)
    WHERE key::int = number), 0)::int
$$;
CREATE FUNCTION redshift_catalog.dist_style(attributes jsonb) RETURNS int LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE attributes->>'diststyle' WHEN 'EVEN' THEN 0 WHEN 'KEY' THEN 1 WHEN 'ALL' THEN 8 ELSE 10 END $$;

CREATE VIEW redshift_catalog.pg_namespace AS SELECT * FROM pg_catalog.pg_namespace WHERE redshift_catalog.is_shown(oid);
CREATE VIEW redshift_catalog.keys AS
SELECT (2147483648 + ('x' || substr(md5(table_id::text || (key->>'name')), 1, 7))::bit(28)::int)::int8::oid AS oid,
  key->>'name' AS name, key->>'kind' AS kind, table_id, relnamespace AS schema_id,
  coalesce((key->>'table')::int8, 0)::oid AS referred_id,
  ARRAY(SELECT jsonb_array_elements_text(key->'columns')::int2) AS columns,
  ARRAY(SELECT jsonb_array_elements_text(key->'table_columns')::int2) AS referred_columns
FROM redshift_catalog.table_attributes JOIN pg_catalog.pg_class AS c ON c.oid = table_id,
  jsonb_array_elements(attributes->'keys') AS key;


-- The columns of a catalogue of PostgreSQL's, some of them by another expression.
CREATE FUNCTION redshift_catalog.columns_of(catalogue regclass, alias text, changed jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT string_agg(coalesce(changed->>attname::text || ' AS ' || attname, alias || '.' || attname), ', ' ORDER BY attnum)
  FROM pg_catalog.pg_attribute WHERE attrelid = catalogue AND attnum > 0
$$;

-- A primary key and a unique constraint have an index in Redshift's catalogue, which nothing is enforced by.
DO $do$ BEGIN
  EXECUTE format($$
    CREATE VIEW redshift_catalog.pg_class AS
    SELECT c.*, CASE WHEN relkind IN ('r', 'm') THEN redshift_catalog.dist_style(attributes) ELSE 0 END::smallint
      AS reldiststyle
    FROM pg_catalog.pg_class AS c LEFT JOIN redshift_catalog.table_attributes ON table_id = c.oid
    WHERE redshift_catalog.is_shown(relnamespace)
    UNION ALL
    SELECT %s, 0::smallint FROM redshift_catalog.keys AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.table_id
    WHERE k.kind IN ('p', 'u')
  $$, redshift_catalog.columns_of('pg_catalog.pg_class', 'c', '{"oid": "k.oid", "relname": "k.name::name",
    "relkind": "''i''", "relnatts": "cardinality(k.columns)::smallint", "reltuples": "0::real"}'));
  -- An identity column may be declared nullable in Redshift, never in PostgreSQL.
  EXECUTE format($$
    CREATE VIEW redshift_catalog.pg_attribute AS
    SELECT %s,
      redshift_catalog.encoding_number(redshift_catalog.encoding(attributes->'encodings'->>attnum::text, atttypid,
        coalesce(attributes->'sortkeys' @> to_jsonb(attnum::int), false))) AS attencodingtype,
      coalesce((attributes->>'distkey')::int = attnum, false) AS attisdistkey,
      redshift_catalog.sort_position(attributes, attnum) AS attsortkeyord
    FROM pg_catalog.pg_attribute AS a LEFT JOIN redshift_catalog.table_attributes ON table_id = attrelid
    UNION ALL
    SELECT %s, 0, false, 0 FROM redshift_catalog.keys AS k, unnest(k.columns) WITH ORDINALITY AS listed (number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attnum = number WHERE a.attrelid = k.table_id AND k.kind IN ('p', 'u')
  $$, redshift_catalog.columns_of('pg_catalog.pg_attribute', 'a', '{"attnotnull":
    "attnotnull AND NOT coalesce(attributes->''nullable'' @> to_jsonb(attnum::int), false)"}'),
  redshift_catalog.columns_of('pg_catalog.pg_attribute', 'a', '{"attrelid": "k.oid", "attnum": "place::smallint"}'));
END $do$;
CREATE VIEW redshift_catalog.pg_index AS
SELECT indexrelid, indrelid, indkey::text::int2vector AS indkey, indnatts, indisunique, indisprimary, indisclustered
FROM pg_catalog.pg_index
UNION ALL
SELECT oid, table_id, array_to_string(columns, ' ')::int2vector, cardinality(columns)::smallint, true, kind = 'p', false
FROM redshift_catalog.keys WHERE kind IN ('p', 'u');
CREATE VIEW redshift_catalog.pg_attrdef AS
SELECT oid, adrelid, adnum, shown AS adbin, shown AS adsrc
FROM pg_catalog.pg_attrdef, pg_catalog.pg_get_expr(adbin, adrelid) AS shown
UNION ALL
SELECT objid, attrelid, attnum, shown, shown
FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_depend ON refobjid = attrelid AND refobjsubid = attnum AND deptype = 'i'
JOIN pg_catalog.pg_sequence ON seqrelid = objid,
  format('"identity"(%s, %s, %L::text)', attrelid, attnum - 1, seqstart || ',' || seqincrement) AS shown
WHERE attidentity <> '';
-- A default of the view above is text already.
CREATE FUNCTION redshift_catalog.pg_get_expr(shown text, of_table oid) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT shown $$;
CREATE FUNCTION redshift_catalog.pg_get_expr(tree pg_node_tree, of_table oid) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT pg_catalog.pg_get_expr(tree, of_table) $$;

CREATE VIEW redshift_catalog.pg_constraint AS
SELECT oid, conname, connamespace, contype, condeferrable, condeferred, convalidated, conrelid, contypid, conindid,
  confrelid, confupdtype, confdeltype, confmatchtype, conislocal, conkey, confkey, conbin,
  pg_catalog.pg_get_expr(conbin, conrelid) AS consrc
FROM pg_catalog.pg_constraint WHERE contype <> 'n' AND conname !~ '^redshift_(varchar|multibyte)_'
UNION ALL
SELECT oid, name::name, schema_id, kind::"char", false, false, true, table_id, 0::oid, 0::oid, referred_id,
  CASE kind WHEN 'f' THEN 'a' ELSE ' ' END::"char", CASE kind WHEN 'f' THEN 'a' ELSE ' ' END::"char",
  CASE kind WHEN 'f' THEN 's' ELSE ' ' END::"char", true, columns,
  CASE kind WHEN 'f' THEN referred_columns END, NULL, NULL
FROM redshift_catalog.keys;

CREATE FUNCTION redshift_catalog.named(of_table oid, numbers int2[]) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY place)
  FROM unnest(numbers) WITH ORDINALITY AS listed (number, place)
  JOIN pg_catalog.pg_attribute ON attrelid = of_table AND attnum = number
$$;
CREATE FUNCTION redshift_catalog.pg_get_constraintdef(id oid) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(pg_catalog.pg_get_constraintdef(id), (
    SELECT CASE kind
      WHEN 'p' THEN format('PRIMARY KEY (%s)', redshift_catalog.named(table_id, columns))
      WHEN 'u' THEN format('UNIQUE (%s)', redshift_catalog.named(table_id, columns))
      ELSE format('FOREIGN KEY (%s) REFERENCES %s(%s)', redshift_catalog.named(table_id, columns),
                  referred_id::regclass, redshift_catalog.named(referred_id, referred_columns)) END
    FROM redshift_catalog.keys WHERE oid = id))
$$;
CREATE FUNCTION redshift_catalog.pg_get_constraintdef(id oid, pretty boolean) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT redshift_catalog.pg_get_constraintdef(id) $$;

CREATE FUNCTION redshift_catalog.pg_get_viewdef(id oid) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT attributes->>'late_binding' FROM redshift_catalog.table_attributes WHERE table_id = id),
                  pg_catalog.pg_get_viewdef(id))
$$;
CREATE FUNCTION redshift_catalog.pg_get_viewdef(id oid, pretty boolean) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT attributes->>'late_binding' FROM redshift_catalog.table_attributes WHERE table_id = id),
                  pg_catalog.pg_get_viewdef(id, pretty))
$$;
-- Late-binding views are bound here, and so listed among the others; clients name the columns of this one as they like.
CREATE FUNCTION pg_catalog.pg_get_late_binding_view_cols() RETURNS SETOF record LANGUAGE plpgsql STABLE AS
  $$ BEGIN RETURN; END $$;
CREATE VIEW pg_catalog.pg_proc_info AS SELECT p.oid AS prooid, p.* FROM pg_catalog.pg_proc AS p
WHERE redshift_catalog.is_shown(pronamespace);

CREATE VIEW redshift_catalog.pg_user AS
SELECT rolname AS usename, oid::int AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, false AS usecatupd,
  '********'::text AS passwd, rolvaliduntil::timestamp AS valuntil, NULL::text[] AS useconfig
FROM pg_catalog.pg_roles WHERE rolcanlogin;
CREATE VIEW redshift_catalog.pg_indexes AS
SELECT schemaname, tablename, indexname, tablespace, indexdef FROM pg_catalog.pg_indexes
UNION ALL
SELECT nspname, relname, name::name, NULL, format('CREATE UNIQUE INDEX %I ON %I.%I USING btree (%s)', name, nspname, relname,
  redshift_catalog.named(table_id, columns))
FROM redshift_catalog.keys JOIN pg_catalog.pg_class AS c ON c.oid = table_id
JOIN pg_catalog.pg_namespace AS n ON n.oid = schema_id WHERE kind IN ('p', 'u');
