"""The audit log: who did what to what, in a hash chain."""
