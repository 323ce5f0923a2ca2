"""The tutorials contract: progress on content that is not in the catalogue."""
