CREATE SCHEMA redshift_catalog;

-- What Redshift knows about a table and PostgreSQL does not. It lies in pg_description, under a class of its own: rows of a
-- system catalogue take no part in serializable conflicts, so two sessions that create tables never disturb each other.
CREATE TABLE redshift_catalog.attributes_class ();

CREATE DOMAIN pg_catalog.super AS jsonb;
CREATE DOMAIN pg_catalog.intervaly2m AS interval year to month;
CREATE DOMAIN pg_catalog.intervald2s AS interval day to second;
-- A column of this type can be made; its functions are not there.
CREATE DOMAIN pg_catalog.hllsketch AS bytea;

CREATE VIEW redshift_catalog.table_attributes AS
SELECT objoid AS table_id, description::jsonb AS attributes
FROM pg_catalog.pg_description
WHERE classoid = 'redshift_catalog.attributes_class'::regclass AND objsubid = 0;

CREATE FUNCTION redshift_catalog.sent_attributes() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT (regexp_match(current_query(), '.*/[*]redshift:(.*)[*]/'))[1]::jsonb
$$;

CREATE FUNCTION redshift_catalog.column_number(of_table oid, named text) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE number int;
BEGIN
  SELECT attnum INTO number FROM pg_catalog.pg_attribute
  WHERE attrelid = of_table AND attname = named AND attnum > 0 AND NOT attisdropped;
  IF number IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('column "%s" named in key does not exist', named);
  END IF;
  RETURN number;
END $$;

CREATE FUNCTION redshift_catalog.column_numbers(of_table oid, named jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(redshift_catalog.column_number(of_table, name) ORDER BY place), '[]')
  FROM jsonb_array_elements_text(named) WITH ORDINALITY AS listed (name, place)
$$;

CREATE FUNCTION redshift_catalog.key_of(of_table oid, sent jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  key jsonb := jsonb_build_object('kind', sent->>'kind', 'columns',
                                  redshift_catalog.column_numbers(of_table, sent->'columns'));
  referred oid;
  endings constant jsonb := '{"p": "pkey", "u": "key", "f": "fkey"}';
  columns text := (SELECT string_agg(name, '_') FROM jsonb_array_elements_text(sent->'columns') AS listed (name));
BEGIN
  IF sent->>'kind' = 'f' THEN
    referred := (sent->>'table')::regclass;
    key := key || jsonb_build_object('table', referred::int8, 'table_columns', coalesce(
      redshift_catalog.column_numbers(referred, sent->'table_columns'),
      (SELECT known->'columns' FROM redshift_catalog.table_attributes, jsonb_array_elements(attributes->'keys') AS known
       WHERE table_id = referred AND known->>'kind' = 'p'), '[]'));
  END IF;
  RETURN key || jsonb_build_object('name', coalesce(sent->>'name', concat_ws('_',
    (SELECT relname FROM pg_catalog.pg_class WHERE oid = of_table),
    CASE sent->>'kind' WHEN 'u' THEN columns WHEN 'f' THEN sent->'columns'->>0 END, endings->>(sent->>'kind'))));
END $$;

CREATE FUNCTION redshift_catalog.merged_attributes(of_table oid, known jsonb, sent jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  made jsonb := known;
  item record;
BEGIN
  IF sent ? 'distkey' THEN
    made := made || jsonb_build_object('distkey', redshift_catalog.column_number(of_table, sent->>'distkey'),
                                       'diststyle', 'KEY');
  ELSIF sent ? 'diststyle' THEN
    made := (made - 'distkey') || jsonb_build_object('diststyle', sent->>'diststyle');
  END IF;
  IF sent ? 'sortkeys' THEN
    made := made || jsonb_build_object('sortkeys', redshift_catalog.column_numbers(of_table, sent->'sortkeys'),
                                       'sortstyle', coalesce(sent->>'sortstyle', 'compound'));
  END IF;
  FOR item IN SELECT * FROM jsonb_each_text(coalesce(sent->'encodings', '{}')) LOOP
    made := jsonb_set(made, '{encodings}', coalesce(made->'encodings', '{}') || jsonb_build_object(
      redshift_catalog.column_number(of_table, item.key)::text, lower(item.value)));
  END LOOP;
  IF sent ? 'nullable' THEN
    made := made || jsonb_build_object('nullable', redshift_catalog.column_numbers(of_table, sent->'nullable'));
  END IF;
  FOR item IN SELECT value FROM jsonb_array_elements(coalesce(sent->'keys', '[]')) LOOP
    made := jsonb_set(made, '{keys}',
                      coalesce(made->'keys', '[]') || redshift_catalog.key_of(of_table, item.value));
  END LOOP;
  RETURN made;
END $$;

CREATE FUNCTION redshift_catalog.without_key(of_table oid, known jsonb, named text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE kept jsonb;
BEGIN
  IF NOT coalesce(known->'keys', '[]') @> jsonb_build_array(jsonb_build_object('name', named)) THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('constraint "%s" of relation "%s" does not exist', named,
      (SELECT relname FROM pg_catalog.pg_class WHERE oid = of_table));
  END IF;
  SELECT coalesce(jsonb_agg(key), '[]') INTO kept FROM jsonb_array_elements(known->'keys') AS key
  WHERE key->>'name' <> named;
  RETURN known || jsonb_build_object('keys', kept);
END $$;

CREATE FUNCTION redshift_catalog.keep_attributes(of_table oid, sent jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  known jsonb := (SELECT attributes FROM redshift_catalog.table_attributes WHERE table_id = of_table);
  made jsonb := redshift_catalog.merged_attributes(of_table, coalesce(known, '{}'), sent);
  item record;
BEGIN
  IF sent ? 'drop_key' THEN
    made := redshift_catalog.without_key(of_table, made, sent->>'drop_key');
  END IF;
  IF known IS NOT NULL THEN
    UPDATE pg_catalog.pg_description SET description = made::text
    WHERE objoid = of_table AND classoid = 'redshift_catalog.attributes_class'::regclass;
  ELSIF made <> '{}' THEN
    INSERT INTO pg_catalog.pg_description
    VALUES (of_table, 'redshift_catalog.attributes_class'::regclass, 0, made::text);
  END IF;
  FOR item IN
    SELECT attname FROM jsonb_array_elements(coalesce(made->'keys', '[]')) AS key,
      jsonb_array_elements_text(key->'columns') AS number JOIN pg_catalog.pg_attribute ON attnum = number::int
    WHERE key->>'kind' = 'p' AND attrelid = of_table AND NOT attnotnull
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', of_table::regclass, item.attname);
  END LOOP;
END $$;

-- Redshift counts bytes where PostgreSQL counts characters: each text column carries a CHECK of its width, whose name says
-- what the client is told when it fails.
CREATE FUNCTION redshift_catalog.keep_widths(of_table oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  change record;
  changes text;
BEGIN
  FOR change IN
    SELECT conname FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE conrelid = of_table AND contype = 'c' AND conislocal AND conname ~ '^redshift_(varchar|multibyte)_'
      AND conname <> format('redshift_%s_%s_%s', CASE WHEN atttypid = 'varchar'::regtype THEN 'varchar' ELSE 'multibyte' END,
                            atttypmod - 4, attnum)
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', of_table::regclass, change.conname);
  END LOOP;
  SELECT string_agg(format('ADD CONSTRAINT redshift_%s_%s_%s CHECK (octet_length(%I) <= %s) NOT VALID',
      CASE WHEN atttypid = 'varchar'::regtype THEN 'varchar' ELSE 'multibyte' END, atttypmod - 4, attnum, attname,
      atttypmod - 4), ', ') INTO changes
  FROM pg_catalog.pg_attribute
  WHERE attrelid = of_table AND attnum > 0 AND NOT attisdropped AND atttypmod > 4
    AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = of_table AND contype = 'c'
                    AND conkey[1] = attnum AND conname ~ '^redshift_(varchar|multibyte)_');
  IF changes IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s %s', of_table::regclass, changes);
  END IF;
END $$;

CREATE FUNCTION redshift_catalog.check_widening(sent jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  of_table oid := to_regclass(sent->>'table');
  kind text;
  width int;
  wanted int := substring(sent->>'type' FROM '^varchar[(]([0-9]+)[)]$')::int;
BEGIN
  SELECT format_type(atttypid, NULL), atttypmod - 4 INTO kind, width FROM pg_catalog.pg_attribute
  WHERE attrelid = of_table AND attname = sent->>'column' AND attnum > 0;
  IF kind IS NULL THEN RETURN; END IF;
  IF kind <> 'character varying' OR wanted IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format(
      'ALTER COLUMN TYPE is supported for VARCHAR only: column "%s" is %s', sent->>'column', kind);
  ELSIF wanted < width THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format(
      'cannot alter column "%s" of relation "%s", target column size should be greater or equal to current maximum column size %s',
      sent->>'column', (SELECT relname FROM pg_catalog.pg_class WHERE oid = of_table), width);
  ELSIF wanted = width THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format(
      'cannot alter column "%s" of relation "%s", target column size should be different',
      sent->>'column', (SELECT relname FROM pg_catalog.pg_class WHERE oid = of_table));
  END IF;
END $$;

CREATE FUNCTION redshift_catalog.before_change() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE sent jsonb;
BEGIN
  IF current_setting('redshift.in_change', true) IS DISTINCT FROM 'on' THEN
    sent := redshift_catalog.sent_attributes();
    IF sent ? 'widened' THEN PERFORM redshift_catalog.check_widening(sent->'widened'); END IF;
  END IF;
END $$;

CREATE FUNCTION redshift_catalog.after_change() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  changed oid;
  sent jsonb;
BEGIN
  IF current_setting('redshift.in_change', true) = 'on' THEN RETURN; END IF;
  PERFORM set_config('redshift.in_change', 'on', true);
  sent := coalesce(redshift_catalog.sent_attributes(), '{}');
  FOR changed IN
    SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands() JOIN pg_catalog.pg_class ON pg_class.oid = objid
    WHERE classid = 'pg_catalog.pg_class'::regclass AND relkind = 'r' AND command_tag IN
      ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
  LOOP
    PERFORM redshift_catalog.keep_attributes(changed, sent);
    PERFORM redshift_catalog.keep_widths(changed);
  END LOOP;
  IF sent ? 'late_binding' OR sent ? 'modifiers' THEN
    DELETE FROM pg_catalog.pg_description
    WHERE objoid IN (SELECT objid FROM pg_event_trigger_ddl_commands() WHERE command_tag IN ('CREATE VIEW', 'CREATE PROCEDURE'))
      AND classoid = 'redshift_catalog.attributes_class'::regclass;
    INSERT INTO pg_catalog.pg_description
    SELECT objid, 'redshift_catalog.attributes_class'::regclass, 0, sent::text FROM pg_event_trigger_ddl_commands()
    WHERE command_tag IN ('CREATE VIEW', 'CREATE PROCEDURE');
  END IF;
  PERFORM set_config('redshift.in_change', 'off', true);
END $$;
