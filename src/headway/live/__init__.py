"""Live clients: who may follow which topic, and how its entries reach them."""
