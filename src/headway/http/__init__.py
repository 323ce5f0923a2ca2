"""What the contracts share and none owns."""
