"""A server that speaks Redshift's protocol and dialect over a real PostgreSQL."""
