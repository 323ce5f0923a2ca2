"""Mail to people: an outbox written in the transaction of what is told, and its sender."""
