"""Assessments: what learners hand in, and grades."""
