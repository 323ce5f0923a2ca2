"""Pages of lists: by number, and by cursors that skip and repeat nothing while rows move."""
