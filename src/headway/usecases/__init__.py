"""What the system does, by noun: each function is one verb and one transaction."""
