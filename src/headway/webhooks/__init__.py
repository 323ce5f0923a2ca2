"""Webhooks: what happens to learners, sent to other systems."""
