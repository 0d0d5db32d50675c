"""Spark SQL that gives the same on every engine."""
