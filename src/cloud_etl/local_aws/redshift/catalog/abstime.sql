-- Redshift's abstime, in days PostgreSQL's: a type of its own under the number that drivers know. Inside it is a timestamptz;
-- the server writes it as seconds when a client asks for the binary form. A number below 12000 has no entries in pg_depend.
CREATE TYPE pg_catalog.abstime;
UPDATE pg_catalog.pg_type SET oid = 702 WHERE typname = 'abstime';
CREATE FUNCTION pg_catalog.abstimein(cstring, oid, int4) RETURNS abstime LANGUAGE internal STABLE STRICT AS 'timestamptz_in';
CREATE FUNCTION pg_catalog.abstimeout(abstime) RETURNS cstring LANGUAGE internal STABLE STRICT AS 'timestamptz_out';
CREATE FUNCTION pg_catalog.abstimesend(abstime) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'timestamptz_send';
CREATE TYPE pg_catalog.abstime (
  INPUT = pg_catalog.abstimein, OUTPUT = pg_catalog.abstimeout, SEND = pg_catalog.abstimesend, LIKE = timestamptz
);
CREATE CAST (abstime AS timestamptz) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (timestamptz AS abstime) WITHOUT FUNCTION AS ASSIGNMENT;

