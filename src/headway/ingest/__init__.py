"""Grouping the writes of many requests into one transaction."""
