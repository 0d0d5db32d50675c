-- What ran, what was loaded and what was refused; COPY, UNLOAD and the sessions write here by connections of their own.
CREATE TABLE pg_catalog.sys_query_history (
  user_id int, query_id bigint, query_label char(320), transaction_id bigint, session_id int, database_name char(128),
  query_type char(32), status char(10), result_cache_hit boolean, start_time timestamp, end_time timestamp,
  elapsed_time bigint, queue_time bigint, execution_time bigint, error_message char(512), returned_rows bigint,
  returned_bytes bigint, query_text char(4000), redshift_version char(256), usage_limit char(150), compute_type char(64),
  compile_time bigint, planning_time bigint, lock_wait_time bigint);
CREATE TABLE pg_catalog.sys_query_text (
  user_id int, query_id bigint, transaction_id bigint, session_id int, start_time timestamp, sequence int, text char(4000));

CREATE TABLE pg_catalog.stl_connection_log (
  event char(50), recordtime timestamp, remotehost char(45) DEFAULT '127.0.0.1', remoteport char(32), pid int,
  dbname char(50), username char(50), authmethod char(32), duration int, sslversion char(50), sslcipher char(128),
  mtu int, sslcompression char(64), sslexpansion char(64), iamauthguid char(36), application_name char(250),
  os_version char(64), driver_version char(64), plugin_name char(32), protocol_version int, sessionid text,
  compression char(8));
CREATE VIEW pg_catalog.sys_connection_log AS
SELECT event, recordtime AS record_time, remotehost AS remote_host, remoteport AS remote_port, sessionid AS session_id,
  dbname AS database_name, username AS user_name, authmethod AS auth_method, duration, sslversion AS ssl_version,
  sslcipher AS ssl_cipher, application_name, os_version, driver_version, plugin_name, protocol_version
FROM pg_catalog.stl_connection_log;

CREATE VIEW pg_catalog.stl_query AS
SELECT user_id AS userid, query_id::int AS query, query_label AS label, transaction_id AS xid, session_id AS pid,
  database_name AS database, query_text AS querytxt, start_time AS starttime, end_time AS endtime,
  (status <> 'success')::int AS aborted, 0 AS insert_pristine, 0 AS concurrency_scaling_status
FROM pg_catalog.sys_query_history;
CREATE VIEW pg_catalog.stl_querytext AS
SELECT user_id AS userid, transaction_id AS xid, session_id AS pid, query_id::int AS query,
  (sequence * 20 + piece - 1)::int AS sequence, substr(text, piece * 200 - 199, 200)::char(200) AS text
FROM pg_catalog.sys_query_text, generate_series(1, greatest((length(text) + 199) / 200, 1)) AS piece;
CREATE VIEW pg_catalog.svl_qlog AS
SELECT user_id AS userid, query_id::int AS query, transaction_id AS xid, session_id AS pid, start_time AS starttime,
  end_time AS endtime, elapsed_time AS elapsed, (status <> 'success')::int AS aborted, query_label AS label,
  query_text::char(60) AS substring, NULL::int AS source_query, NULL::text AS concurrency_scaling_status_txt,
  0 AS from_sp_call
FROM pg_catalog.sys_query_history;
CREATE VIEW pg_catalog.svl_statementtext AS
SELECT h.user_id AS userid, h.transaction_id AS xid, h.session_id AS pid, query_label AS label,
  h.start_time AS starttime, end_time AS endtime, sequence, query_type::varchar(10) AS type, text::char(200) AS text
FROM pg_catalog.sys_query_history AS h JOIN pg_catalog.sys_query_text AS t ON t.query_id = h.query_id;
CREATE VIEW pg_catalog.stl_undone AS
SELECT NULL::bigint AS xact_id, NULL::bigint AS xact_id_undone, NULL::timestamp AS undo_start_ts,
  NULL::timestamp AS undo_end_ts, NULL::int AS table_id WHERE false;
CREATE VIEW pg_catalog.stl_unload_log AS
SELECT user_id AS userid, query_id::int AS query, 0 AS slice, session_id AS pid, unloaded_location::char(1280) AS path,
  start_time, end_time, unloaded_rows AS line_count, unloaded_files_size AS transfer_size, file_format::char(10)
FROM redshift_catalog.sys_unload_history;

CREATE VIEW pg_catalog.stv_sessions AS
SELECT backend_start::timestamp AS starttime, pid AS process, usename::char(50) AS user_name, datname::char(50) AS db_name,
  0 AS timeout_sec
FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend';
CREATE VIEW pg_catalog.stv_recents AS
SELECT usesysid::int AS userid, CASE state WHEN 'active' THEN 'Running' ELSE 'Done' END::char(20) AS status,
  query_start::timestamp AS starttime, (extract(epoch FROM clock_timestamp() - query_start) * 1000000)::int8 AS duration,
  usename::char(50) AS user_name, datname::char(50) AS db_name, query::char(600) AS query, pid
FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend';
CREATE VIEW pg_catalog.stv_inflight AS
SELECT usesysid::int AS userid, 0 AS slice, 0 AS query, 'default'::char(320) AS label, backend_xid::text::bigint AS xid, pid,
  query_start::timestamp AS starttime, query::char(100) AS text, 0 AS suspended, 0 AS insert_pristine,
  0 AS concurrency_scaling_status
FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active';
CREATE VIEW pg_catalog.stv_slices AS SELECT 0 AS node, 0 AS slice, 0 AS localslice, 'D'::char(1) AS type;
CREATE VIEW pg_catalog.stv_locks AS
SELECT relation::int AS table_id, NULL::timestamp AS last_commit, NULL::timestamp AS last_update, pid AS lock_owner_pid,
  transactionid::text::bigint AS lock_owner, NULL::timestamp AS lock_owner_start_ts, NULL::timestamp AS lock_owner_end_ts,
  mode::char(22) AS lock_status
FROM pg_catalog.pg_locks WHERE relation IS NOT NULL;
CREATE VIEW pg_catalog.svv_transactions AS
SELECT usename::text AS txn_owner, datname::text AS txn_db, coalesce(backend_xid, l.transactionid)::text::bigint AS xid,
  l.pid, xact_start::timestamp AS txn_start, mode AS lock_mode, locktype AS lockable_object_type, relation::int,
  l.granted
FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE backend_type = 'client backend';
