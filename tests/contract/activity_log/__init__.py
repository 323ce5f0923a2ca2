"""The activity-log contract."""
