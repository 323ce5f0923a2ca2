"""Accounts, sign-in, sessions and passwords."""
