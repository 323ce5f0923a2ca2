"""Rosters: who learns and teaches in which course, as another system says in a file."""
