"""A DuckDB file as the warehouse."""

from cloud_etl.load.duckdb.loader import Loader

__all__ = ["Loader"]
