"""Redshift's catalogue in PostgreSQL: types, functions, system views, and the tables COPY and UNLOAD report to."""
