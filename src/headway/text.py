"""Text of clients: its one form, also within JSON, and URLs that are shown to people as links."""

import re
from collections.abc import Callable
from functools import cache
from typing import Literal
from unicodedata import category, combining, is_normalized, normalize
from urllib.parse import SplitResult, urlsplit

import msgspec

MAX_URL_LENGTH = 500
_AFTER_MARKS = 0x1F000
"""No character from here on is a mark on the one before it."""
_WITHOUT_EXPONENT = 1e21
"""Up to here JSON.stringify writes whole numbers in digits (ECMA-262, Number::toString)."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")
_UNSAFE = frozenset('\\"<>`')
URL_CHARACTERS = r"[!#-;=?-\[\]-_a-~]"
"""The visible ASCII characters that a URL may have, as a class of regular expressions."""
URL_PATTERN = (
    rf"^https://[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{{0,3}})?([/?#]{URL_CHARACTERS}*)?$"
)
"""What `split_url` accepts, as JSON Schema states it; a host may also have capitals, and the rest letters of any language."""
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
"""The Unicode categories of controls, of signs that change how a text is shown, and of spaces."""


NOT_BLANK = r"^[^\x00]*[^\s\x00-\x20\x7f-\xa0][^\x00]*$"
"""The pattern of a text that is not blank, for JSON Schema: JavaScript and Python count other characters as white space."""
WITHOUT_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$"
"""The pattern of a text that is not blank and has no control characters, for JSON Schema."""
_MARK = re.compile(r"[^\s\x00-\x20\x7f-\xa0]")


def is_blank(text: str) -> bool:
    """Return whether a text has nothing but white space and control characters."""
    return _MARK.search(text) is None


def nfc(text: str) -> str:
    """Return a text in Unicode Normalization Form C: what looks the same, such as a composed and a decomposed "ë", is equal.

    More than 30 marks on one letter are left as they are. No language has so many (Unicode Standard Annex #15, section 13), and
    the time that it takes to sort them grows with the square of their number.
    """
    return _normalized("NFC", text)


def nfd(text: str) -> str:
    """Return a text in Unicode Normalization Form D, in which each letter is apart from its marks. Otherwise as `nfc`."""
    return _normalized("NFD", text)


def nfkd(text: str) -> str:
    """Return a text in Unicode Normalization Form KD: as `nfd`, and with "fi" for the one character "ﬁ"."""
    return _normalized("NFKD", text)


def is_nfc(text: str) -> bool:
    """Return whether a text is in Unicode Normalization Form C. It takes time in proportion to its length."""
    return text.isascii() or is_normalized("NFC", text)


def _normalized(form: Literal["NFC", "NFD", "NFKD"], text: str) -> str:
    if text.isascii() or is_normalized(form, text):
        return text
    parts = _long_runs_of_marks().split(text)
    return "".join(part if i % 2 else normalize(form, part) for i, part in enumerate(parts))


@cache
def _long_runs_of_marks() -> re.Pattern[str]:
    # Some characters are no marks themselves, but decompose into nothing else, such as U+0F73 and U+FF9E.
    marks = [each for each in map(chr, range(0x300, _AFTER_MARKS)) if combining(normalize("NFKD", each)[0])]
    return re.compile(f"([{''.join(marks)}]{{31,}})")


def nfc_json(value: object) -> object:
    """Bring all texts of a decoded JSON value into NFC, the keys too. Objects and arrays are changed in place."""
    return _with_leaves(value, lambda leaf: nfc(leaf) if isinstance(leaf, str) else leaf)


def canonical_json(value: object) -> str:
    """Return the one JSON text of all equal values, which are changed in place.

    Keys are sorted, texts are in NFC, and a whole number is the same with a fraction or an exponent, as queues and languages
    without integers write it: `1.0`, `1e0` and `1`. An integer keeps all its digits.
    """
    return msgspec.json.encode(_with_leaves(value, _canonical_leaf), order="sorted").decode()


def _canonical_leaf(leaf: object) -> object:
    if isinstance(leaf, float) and leaf.is_integer() and abs(leaf) < _WITHOUT_EXPONENT:
        return int(leaf)
    return nfc(leaf) if isinstance(leaf, str) else leaf


def _with_leaves(value: object, change: Callable[[object], object]) -> object:
    """Change all that is no object or array within a JSON value, however deep it is nested."""
    whole = [value]
    waiting: list[object] = [whole]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            changed = [(nfc(key), change(each)) for key, each in part.items()]
            part.clear()
            part.update(changed)
            waiting += part.values()
        elif isinstance(part, list):
            part[:] = map(change, part)
            waiting += part
    return whole[0]


def split_url(url: str, *, max_length: int = MAX_URL_LENGTH) -> SplitResult:
    """Return the parts of a URL that is safe to show as a link: it leads where it seems to, and runs nothing.

    It is https with a host name in ASCII, without credentials, spaces, backslashes and characters that cannot be seen: browsers
    read or show those differently. Quotes and angle brackets, which no URL has (RFC 3986, appendix C), would end it in HTML.
    Raises ValueError with what is wrong, in words that go after the name of the field.
    """
    if len(url) > max_length:
        raise ValueError(f"must have at most {max_length} characters")
    if any(each in _UNSAFE or category(each) in _HIDDEN for each in url):
        raise ValueError("must not have spaces, quotes, angle brackets, backslashes or invisible characters")
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
