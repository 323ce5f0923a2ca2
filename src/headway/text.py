"""Text of clients: its one form, and URLs that are shown to people as links."""

import re
from unicodedata import category, normalize
from urllib.parse import SplitResult, urlsplit

MAX_URL_LENGTH = 500
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
"""The Unicode categories of controls, of signs that change how a text is shown, and of spaces."""


def nfc(text: str) -> str:
    """Return a text in Unicode Normalization Form C: what looks the same, such as a composed and a decomposed "ë", is equal."""
    return text if text.isascii() else normalize("NFC", text)


def split_url(url: str, *, max_length: int = MAX_URL_LENGTH) -> SplitResult:
    """Return the parts of a URL that is safe to show as a link: it leads where it seems to, and runs nothing.

    It is https with a host name in ASCII, without credentials, spaces, backslashes and characters that cannot be seen: browsers
    read or show those differently. Raises ValueError with what is wrong, in words that go after the name of the field.
    """
    if len(url) > max_length:
        raise ValueError(f"must have at most {max_length} characters")
    if "\\" in url or any(category(each) in _HIDDEN for each in url):
        raise ValueError("must not have spaces, backslashes or invisible characters")
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError("must be a valid URL") from error
    if parts.scheme != "https":
        raise ValueError("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials")
    if not has_port or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("must have a host name")
    return parts


def shown_url(url: str | None, *, max_length: int = MAX_URL_LENGTH) -> str | None:
    """Return a stored URL if it is safe to show as a link, otherwise None: it may be older than the rule."""
    try:
        return url if url is not None and split_url(url, max_length=max_length) else None
    except ValueError:
        return None
