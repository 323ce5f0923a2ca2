"""How things are kept: tables, the two databases, and the statements that read and write them."""
