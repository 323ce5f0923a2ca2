"""Events, study time, completion, progress, and their statistics."""
