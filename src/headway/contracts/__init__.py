"""The HTTP contracts, one package each; none knows another."""
