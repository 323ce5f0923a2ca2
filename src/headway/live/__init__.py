"""Live clients: who follows which topic, and what they are told."""
