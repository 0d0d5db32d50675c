-- Last of all, so that the catalogue's own tables carry no checks of their widths.
CREATE EVENT TRIGGER redshift_before_change ON ddl_command_start WHEN TAG IN ('ALTER TABLE')
  EXECUTE FUNCTION redshift_catalog.before_change();
CREATE EVENT TRIGGER redshift_after_change ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE VIEW', 'CREATE PROCEDURE')
  EXECUTE FUNCTION redshift_catalog.after_change();
