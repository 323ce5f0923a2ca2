"""What the law gives people: erasure, a copy of their data, limits on how long it is kept, and who has seen it."""
