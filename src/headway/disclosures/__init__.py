"""The disclosure log: who was shown whose record."""
