"""Parquet files, read column by column into the types of the contract."""
