"""The feed: numbered entries by topic."""
