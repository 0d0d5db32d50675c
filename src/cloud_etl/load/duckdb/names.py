"""Names that a DuckDB file cannot have, or that its tables' schemas cannot."""

from __future__ import annotations

# The file's database goes by this name, whatever the file is called: a schema of the file's own name is no riddle then.
DATABASE = "cloud_etl_warehouse"
# DuckDB knows databases of these names in each connection, and then cannot tell which of the two is meant.
RESERVED_SCHEMAS = frozenset({"memory", "system", "temp", DATABASE, "information_schema", "pg_catalog"})
NO_QUESTION_MARK = (
    "holds a `?` in its path, from which on DuckDB reads options: it could not commit. Move the project to a folder "
    "without, or name another warehouse.duckdb.path"
)
