"""Stored responses: a repeated request gets the same answer."""
