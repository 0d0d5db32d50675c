"""Text files, row by row: delimited, CSV, JSON and fixed width."""
