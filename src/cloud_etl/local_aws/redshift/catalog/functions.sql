-- Functions of Redshift that PostgreSQL lacks or understands otherwise.
CREATE FUNCTION redshift_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT statement_timestamp()::timestamp $$;
CREATE FUNCTION redshift_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT transaction_timestamp()::timestamp $$;

CREATE FUNCTION redshift_catalog.len(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT length(value) $$;
CREATE FUNCTION redshift_catalog.len(value bpchar) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT length(rtrim(value::text)) $$;
CREATE FUNCTION redshift_catalog.charindex(wanted text, value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT strpos(value, wanted) $$;

CREATE FUNCTION redshift_catalog.date_unit(named text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE
    WHEN unit IN ('y', 'yr', 'yrs', 'year', 'years') THEN 'year'
    WHEN unit IN ('qtr', 'qtrs', 'quarter', 'quarters') THEN 'quarter'
    WHEN unit IN ('mon', 'mons', 'month', 'months') THEN 'month'
    WHEN unit IN ('w', 'week', 'weeks') THEN 'week'
    WHEN unit IN ('d', 'day', 'days') THEN 'day'
    WHEN unit IN ('h', 'hr', 'hrs', 'hour', 'hours') THEN 'hour'
    WHEN unit IN ('m', 'min', 'mins', 'minute', 'minutes') THEN 'minute'
    WHEN unit IN ('s', 'sec', 'secs', 'second', 'seconds') THEN 'second'
    WHEN unit IN ('ms', 'msec', 'msecs', 'msecond', 'mseconds', 'millisec', 'millisecs', 'millisecond', 'milliseconds',
                  'millisecon') THEN 'milliseconds'
    WHEN unit IN ('us', 'usec', 'usecs', 'usecond', 'useconds', 'microsec', 'microsecs', 'microsecond', 'microseconds',
                  'microsecon') THEN 'microseconds'
    WHEN unit IN ('c', 'cent', 'cents', 'century', 'centuries') THEN 'century'
    WHEN unit IN ('dec', 'decs', 'decade', 'decades') THEN 'decade'
    WHEN unit IN ('mil', 'mils', 'millennium', 'millennia') THEN 'millennium'
    WHEN unit IN ('weekday', 'dayofweek', 'dow') THEN 'dow'
    WHEN unit IN ('dayofyear', 'doy', 'dy', 'yearday') THEN 'doy'
    ELSE unit END
  FROM lower(named) AS unit
$$;

CREATE FUNCTION redshift_catalog.dateadd(unit text, amount bigint, value timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT value + amount * CASE redshift_catalog.date_unit(unit) WHEN 'quarter' THEN interval '3 months'
    WHEN 'milliseconds' THEN interval '1 millisecond' WHEN 'microseconds' THEN interval '1 microsecond'
    ELSE ('1 ' || redshift_catalog.date_unit(unit))::interval END
$$;
CREATE FUNCTION redshift_catalog.dateadd(unit text, amount bigint, value timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE STRICT AS $$
  SELECT redshift_catalog.dateadd(unit, amount, value AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
$$;

CREATE FUNCTION redshift_catalog.months_since_0(value timestamp) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT (extract(year FROM value) * 12 + extract(month FROM value) - 1)::bigint $$;

-- Redshift counts the boundaries of the unit that lie between the two.
CREATE FUNCTION redshift_catalog.datediff(unit text, start timestamp, stop timestamp) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  named text := redshift_catalog.date_unit(unit);
  months bigint := redshift_catalog.months_since_0(stop) - redshift_catalog.months_since_0(start);
  first timestamp;
  micros numeric;
BEGIN
  CASE named
    WHEN 'year' THEN RETURN extract(year FROM stop) - extract(year FROM start);
    WHEN 'quarter' THEN RETURN redshift_catalog.months_since_0(stop) / 3 - redshift_catalog.months_since_0(start) / 3;
    WHEN 'month' THEN RETURN months;
    WHEN 'decade' THEN RETURN extract(decade FROM stop) - extract(decade FROM start);
    WHEN 'century' THEN RETURN extract(century FROM stop) - extract(century FROM start);
    WHEN 'week' THEN
      first := date_trunc('week', start + interval '1 day');
      RETURN (date_trunc('week', stop + interval '1 day')::date - first::date) / 7;
    WHEN 'day', 'doy', 'dow' THEN RETURN stop::date - start::date;
    WHEN 'hour', 'minute', 'second' THEN
      RETURN extract(epoch FROM date_trunc(named, stop) - date_trunc(named, start))::bigint
        / CASE named WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END;
    WHEN 'milliseconds' THEN
      RETURN (extract(epoch FROM date_trunc(named, stop) - date_trunc(named, start)) * 1000)::bigint;
    ELSE
      micros := extract(epoch FROM stop - start) * 1000000;
      RETURN micros::bigint;
  END CASE;
END $$;
CREATE FUNCTION redshift_catalog.date_diff(unit text, start timestamp, stop timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_catalog.datediff(unit, start, stop) $$;
CREATE FUNCTION redshift_catalog.date_add(unit text, amount bigint, value timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_catalog.dateadd(unit, amount, value) $$;
CREATE FUNCTION redshift_catalog.add_months(value timestamp, months bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN value::date = (date_trunc('month', value) + interval '1 month - 1 day')::date
    THEN date_trunc('month', value + months * interval '1 month') + interval '1 month - 1 day' + value::time
    ELSE value + months * interval '1 month' END
$$;
CREATE FUNCTION redshift_catalog.months_between(stop timestamp, start timestamp) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT (redshift_catalog.months_since_0(stop) - redshift_catalog.months_since_0(start)
    + (extract(day FROM stop) - extract(day FROM start)) / 31.0)::float8
$$;
CREATE FUNCTION redshift_catalog.last_day(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT (date_trunc('month', value) + interval '1 month - 1 day')::date $$;
CREATE FUNCTION redshift_catalog.trunc(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT value::date $$;
CREATE FUNCTION redshift_catalog.convert_timezone(target text, value timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT AS $$ SELECT value AT TIME ZONE 'UTC' AT TIME ZONE target $$;
CREATE FUNCTION redshift_catalog.convert_timezone(source text, target text, value timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT AS $$ SELECT value AT TIME ZONE source AT TIME ZONE target $$;

CREATE FUNCTION redshift_catalog.strtol(value text, base int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  digits text := lower(regexp_replace(value, '^[+-]', ''));
  made bigint := 0;
  digit int;
BEGIN
  IF base = 16 THEN digits := regexp_replace(digits, '^0x', ''); END IF;
  FOR i IN 1 .. length(digits) LOOP
    digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(digits, i, 1)) - 1;
    IF digit < 0 OR digit >= base THEN
      RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format(
        'The input %s is not valid to be converted to base %s', value, base);
    END IF;
    made := made * base + digit;
  END LOOP;
  RETURN CASE WHEN value LIKE '-%' THEN -made ELSE made END;
END $$;

CREATE FUNCTION redshift_catalog.sha2(value text, bits int) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT encode(CASE bits WHEN 224 THEN sha224(bytes) WHEN 384 THEN sha384(bytes) WHEN 512 THEN sha512(bytes)
    ELSE sha256(bytes) END, 'hex') FROM convert_to(value, 'UTF8') AS bytes
$$;

CREATE FUNCTION redshift_catalog.regexp_replace(value text, pattern text, replacement text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT pg_catalog.regexp_replace(value, pattern, pg_catalog.regexp_replace(replacement, '\\$(\\d)', '\\\\\\1', 'g'), 'g')
$$;
CREATE FUNCTION redshift_catalog.regexp_replace(value text, pattern text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT pg_catalog.regexp_replace(value, pattern, '', 'g') $$;

CREATE FUNCTION redshift_catalog.json_parse(value text) RETURNS super LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT value::jsonb::super $$;
CREATE FUNCTION redshift_catalog.compact(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT string_agg(CASE WHEN piece[2] IS NULL THEN piece[1] ELSE piece[2] END, '')
  FROM regexp_matches(value::text, '("(?:[^"\\\\]|\\\\.)*"|[^",: ]+)|([,:]) ?', 'g') AS piece
$$;
CREATE FUNCTION redshift_catalog.json_serialize(value jsonb) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT redshift_catalog.compact(value)::varchar $$;
CREATE FUNCTION redshift_catalog.can_json_parse(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  PERFORM value::jsonb;
  RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN false;
END $$;
CREATE FUNCTION redshift_catalog.is_valid_json(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT redshift_catalog.can_json_parse(value) AND ltrim(value) LIKE '{%' $$;
CREATE FUNCTION redshift_catalog.is_valid_json_array(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT redshift_catalog.can_json_parse(value) AND ltrim(value) LIKE '[%' $$;
CREATE FUNCTION redshift_catalog.json_text(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN jsonb_typeof(value) IN ('object', 'array') THEN redshift_catalog.compact(value)
     ELSE value #>> '{}' END $$;
CREATE FUNCTION redshift_catalog.json_extract_path_text(value text, VARIADIC path text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  null_if_invalid boolean := path[array_length(path, 1)] IN ('true', 'false') AND array_length(path, 1) > 1;
BEGIN
  IF null_if_invalid THEN
    null_if_invalid := path[array_length(path, 1)] = 'true';
    path := path[1:array_length(path, 1) - 1];
  END IF;
  RETURN redshift_catalog.json_text(value::jsonb #> path);
EXCEPTION WHEN invalid_text_representation THEN
  IF null_if_invalid THEN RETURN NULL; END IF;
  RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'JSON parsing error';
END $$;
CREATE FUNCTION redshift_catalog.json_extract_array_element_text(value text, place int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_catalog.json_text(value::jsonb -> place) $$;
CREATE FUNCTION redshift_catalog.json_array_length(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_array_length(value::jsonb) $$;
CREATE FUNCTION redshift_catalog.get_array_length(value jsonb) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN jsonb_typeof(value) = 'array' THEN jsonb_array_length(value) END $$;
CREATE FUNCTION redshift_catalog.is_object(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_typeof(value) = 'object' $$;
CREATE FUNCTION redshift_catalog.is_array(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_typeof(value) = 'array' $$;
CREATE FUNCTION redshift_catalog.is_scalar(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_typeof(value) NOT IN ('object', 'array') $$;
CREATE FUNCTION redshift_catalog.is_varchar(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_typeof(value) = 'string' $$;
CREATE FUNCTION redshift_catalog.is_boolean(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_typeof(value) = 'boolean' $$;
CREATE FUNCTION redshift_catalog.is_integer(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT jsonb_typeof(value) = 'number' AND value::text !~ '[.eE]' $$;

CREATE FUNCTION redshift_catalog.listagg_step(so_far text, value text, delimiter text) RETURNS text
LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN value IS NULL THEN so_far WHEN so_far IS NULL THEN value ELSE so_far || delimiter || value END $$;
CREATE AGGREGATE redshift_catalog.listagg(text, text) (SFUNC = redshift_catalog.listagg_step, STYPE = text);
CREATE FUNCTION redshift_catalog.median_end(all_values float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM unnest(all_values) AS value $$;
CREATE AGGREGATE redshift_catalog.median(float8) (
  SFUNC = array_append, STYPE = float8[], FINALFUNC = redshift_catalog.median_end, INITCOND = '{}');

CREATE FUNCTION redshift_catalog.shown_search_path() RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT pg_catalog.regexp_replace(current_setting('search_path'), ', redshift_catalog, pg_catalog$', '') $$;
CREATE FUNCTION redshift_catalog.version() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), '
    'Redshift 1.0.120511'
$$;
CREATE FUNCTION redshift_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_copy_count', true), ''), '0')::bigint $$;
CREATE FUNCTION redshift_catalog.pg_last_copy_id() RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_copy_id', true), ''), '-1')::int $$;
CREATE FUNCTION redshift_catalog.pg_last_unload_count() RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_unload_count', true), ''), '0')::bigint $$;
CREATE FUNCTION redshift_catalog.pg_last_unload_id() RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_unload_id', true), ''), '-1')::int $$;
CREATE FUNCTION redshift_catalog.pg_last_query_id() RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_query_id', true), ''), '-1')::int $$;

CREATE FUNCTION redshift_catalog.append_from(target text, source text, option text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  columns text;
  missing text;
BEGIN
  SELECT string_agg(format('%I', s.attname), ', ' ORDER BY s.attnum) FILTER (WHERE t.attname IS NOT NULL),
         min(coalesce(s.attname, t.attname)) FILTER (WHERE (s.attname IS NULL AND option <> 'FILLTARGET')
                                         OR (t.attname IS NULL AND option <> 'IGNOREEXTRA'))
  INTO columns, missing
  FROM (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = source::regclass AND attnum > 0 AND NOT attisdropped) AS s
  FULL JOIN (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = target::regclass AND attnum > 0 AND NOT attisdropped) AS t
    ON s.attname = t.attname;
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format(
      'ALTER TABLE APPEND: column "%s" is in one of the tables alone', missing);
  END IF;
  EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s', target::regclass, columns, columns, source::regclass);
  EXECUTE format('TRUNCATE %s', source::regclass);
END $$;
