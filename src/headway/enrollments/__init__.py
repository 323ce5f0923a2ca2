"""Enrollments: their status, seats, the waiting list, and access to courses."""
