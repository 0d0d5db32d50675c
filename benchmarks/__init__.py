"""The benchmark: one dirty sales file through cloud-etl and through a hand-written DuckDB job, side by side."""
