"""The benchmarks: a dirty sales file through cloud-etl and through hand-written jobs, side by side, and its growth."""
