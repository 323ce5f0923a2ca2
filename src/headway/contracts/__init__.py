"""The HTTP contracts, one package each. No contract imports another."""
