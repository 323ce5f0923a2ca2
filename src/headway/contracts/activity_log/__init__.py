"""The activity log contract: `/api/v1/activities`, the audit log."""
