"""Text of clients: its one form."""

from unicodedata import normalize


def nfc(text: str) -> str:
    """Return a text in Unicode Normalization Form C: what looks the same, such as a composed and a decomposed "ë", is equal."""
    return text if text.isascii() else normalize("NFC", text)
