"""What administrators read about the server: its health, its latest errors, and its settings."""
