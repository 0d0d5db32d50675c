-- What COPY and UNLOAD leave, with the columns and types of Redshift's documentation. The server writes it by a connection of
-- its own, so that the rows of a load that was rolled back stay. Raw lines hold any character: no byte widths are kept here.
SELECT set_config('redshift.in_change', 'on', true);
CREATE TABLE redshift_catalog.sys_load_history (
  user_id int, query_id bigint, transaction_id bigint, session_id int, database_name text, status text, table_name text,
  start_time timestamp, end_time timestamp, duration bigint, data_source text, file_format text, loaded_rows bigint,
  loaded_bytes bigint, source_file_count int, source_file_bytes bigint, file_count_scanned int, file_bytes_scanned bigint,
  error_count bigint, copy_job_id bigint DEFAULT -1);
CREATE TABLE redshift_catalog.sys_load_error_detail (
  user_id int, query_id bigint, transaction_id bigint, session_id int, database_name text, table_id int,
  start_time timestamp, file_name char(256), line_number bigint, column_name char(127), column_type char(10),
  column_length char(10), "position" int, error_code int, error_message char(512));
CREATE TABLE redshift_catalog.stl_load_errors (
  userid int, slice int, tbl int, starttime timestamp, session int, query int, filename char(256), line_number bigint,
  colname char(127), type char(10), col_length char(10), "position" int, raw_line char(1024),
  raw_field_value char(1024), err_code int, err_reason char(100), is_partial int, start_offset bigint,
  copy_job_id bigint DEFAULT -1);
CREATE TABLE redshift_catalog.stl_load_commits (
  userid int, query int, slice int, name char(256), filename char(256), byte_offset int, lines_scanned int, errors int,
  curtime timestamp, status int, file_format char(16), is_partial int, start_offset bigint,
  copy_job_id bigint DEFAULT -1);
CREATE TABLE redshift_catalog.sys_unload_history (
  user_id int, query_id bigint, transaction_id bigint, session_id int, database_name text, status text,
  start_time timestamp, end_time timestamp, duration bigint, file_format text, compression_type text,
  unloaded_location text, unloaded_rows bigint, unloaded_files_count int, unloaded_files_size bigint,
  unloaded_files_compression text DEFAULT '');
SELECT set_config('redshift.in_change', 'off', true);
