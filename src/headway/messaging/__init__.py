"""Peers and messages."""
