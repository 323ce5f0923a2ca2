"""Headway records what learners do and shows how far they are."""

__version__ = "0.1.0"
