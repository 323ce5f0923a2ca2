"""Ways in for data that comes as files, each mapped to the same use cases that HTTP uses."""
