"""The rules for passwords: those of the learner contract (section 4.2), and no common passwords."""

from collections.abc import Container

SHORTEST, LONGEST = 8, 128


def check_password(password: str, common: Container[str]) -> str | None:
    """Return what is wrong with a new password, or None. `common` holds common passwords in lower case."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"must have {SHORTEST} to {LONGEST} characters"
    if not any(character.isupper() for character in password):
        return "must have an upper-case letter"
    if all(character.isalnum() or character.isspace() for character in password):
        return "must have a special character"
    if any(guess in common for guess in _guesses(password)):
        return "is one of the most common passwords"
    return None


def _guesses(password: str) -> list[str]:
    """Return what a guesser tries first: the word itself, and the word without leading and trailing special characters."""
    lower = password.lower()
    start, end = 0, len(lower)
    while start < end and not lower[start].isalnum():
        start += 1
    while end > start and not lower[end - 1].isalnum():
        end -= 1
    bare = lower[start:end]
    return [lower, bare] if len(bare) >= SHORTEST - 2 else [lower]
