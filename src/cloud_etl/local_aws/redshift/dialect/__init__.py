"""Redshift's SQL as PostgreSQL's, token by token; a statement that needs no change stays as it was, byte for byte."""
