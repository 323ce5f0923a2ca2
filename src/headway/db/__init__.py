"""Databases: read and write transactions on the raw drivers of SQLite and PostgreSQL."""
