"""Pages over HTTP, as a browser without scripts sees them."""
