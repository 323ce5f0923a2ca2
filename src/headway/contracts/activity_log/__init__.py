"""The activity log contract: who did what to what."""
