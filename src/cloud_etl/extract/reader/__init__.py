"""Raw files in, typed Parquet and rejects out; every record is in one of the two."""
