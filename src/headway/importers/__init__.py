"""Importers of files, which use the same services as HTTP."""
