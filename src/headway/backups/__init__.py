"""Backups of a SQLite database: copies made beside its server, verified, and restored."""
