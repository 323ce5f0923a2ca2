"""The learners of a course as its staff follows them: who needs help and why, notes, messages, and the list of all."""
