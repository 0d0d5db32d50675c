"""Regular expressions of a project: what every engine reads alike, and what takes no engine too long."""
