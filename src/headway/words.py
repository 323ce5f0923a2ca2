"""Words of texts as a search compares them: without regard to case, accents and the form in which they were typed.

Everything is decided here and stored as plain text, so that SQLite and PostgreSQL find the same.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from headway.text import nfc, nfkd

_TERM_LENGTH = 12
"""Characters of a term. A longer part of a word is found by all of its pieces of this length."""
_SHORT = 2
"""Parts of words up to this length are terms of their own: a range of terms would have too many."""
_MAX_KEY = 200
_LAST = "\U0010ffff"
"""No text has this character, and none sorts after it, by code points as by the bytes of UTF-8."""
_UNACCENTED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe"})
_ACCENTS = range(200, 255)
"""The canonical combining classes of accents above, below and across letters. Signs of other classes, such as the voicing of
kana and the vowels and tones of Indic and Thai words, tell one word from another."""
_POINTS = range(10, 36)
"""The canonical combining classes of Hebrew and Arabic vowel points, which readers of these languages do not type."""


_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Letters of scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana and Han."""


class Mentions:
    """Finds texts that hold one of some names or addresses, without regard to case and accents.

    Only as a whole, so that `Ed` is not found in `edited`, nor `ada@x.example` in `lada@x.example`. A name in a script without
    spaces between words is found anywhere: `田中` in `田中さんへ`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        folded = sorted({fold(each) for each in names if each.strip()})
        self._pattern = re.compile("|".join(map(_whole, folded))) if folded else None

    def are_in(self, text: str) -> bool:
        """Return whether a text holds one of them."""
        return self._pattern is not None and self._pattern.search(fold(text)) is not None


def _whole(name: str) -> str:
    """Return a pattern that finds a name, and not as a part of a longer word."""
    before = "" if _WITHOUT_SPACES.match(name[0]) else r"(?<![\w@.+-])"
    after = "" if _WITHOUT_SPACES.match(name[-1]) else r"(?![\w@+-]|\.\w)"
    return before + re.escape(name) + after


class TermRange(NamedTuple):
    """A range of terms, both ends included, that holds a term of every text that has a certain part of a word."""

    first: str
    last: str


def fold(text: str) -> str:
    """Return a text in lower case, without accents and in compatibility form: `Ärger` and `ARGER` become `arger`."""
    if text.isascii():
        return text.lower()
    decomposed = nfkd(nfkd(text).casefold())
    kept = (each for each in decomposed if not _is_accent(unicodedata.combining(each)))
    return nfc("".join(kept)).translate(_UNACCENTED)


def words(text: str) -> list[str]:
    """Return the folded words of a text in order: letters, digits, and the `+` and `#` of names such as C++ and C#."""
    return "".join(each if _belongs_to_word(each) else " " for each in fold(text)).split()


def index_terms(texts: Iterable[str], **exact: str) -> set[str]:
    """Return the terms under which texts are found by any part of a word, and by each of the `exact` values as a whole.

    There are at most three terms for each character of the texts, and none is longer than 200 characters and its name.
    """
    found: set[str] = set()
    for word in {word for text in texts for word in words(text)}:
        for i in range(len(word)):
            found |= {word[i : i + 1], word[i : i + _SHORT], word[i : i + _TERM_LENGTH]}
    return found | {_key(name, value) for name, value in exact.items()}


def query_terms(text: str | None, **exact: str) -> list[TermRange]:
    """Return ranges of terms: a text is found if it has a term in each. Every word of `text` has to be a part of a word of it.

    Without a word in `text`, no text has the terms.
    """
    pieces = set() if text is None else {piece for word in words(text) for piece in _pieces(word)} or {" "}
    # What is a part of another piece adds nothing.
    needed = sorted(piece for piece in pieces if not any(piece in other and piece != other for other in pieces))
    parts = [TermRange(piece, piece if len(piece) <= _SHORT else piece + _LAST) for piece in needed]
    return parts + [TermRange(key, key) for key in sorted(_key(name, value) for name, value in exact.items())]


def _pieces(word: str) -> set[str]:
    return {word[i : i + _TERM_LENGTH] for i in range(max(len(word) - _TERM_LENGTH, 0) + 1)}


def _key(name: str, value: str) -> str:
    # No word has a space.
    return f"{name} {fold(value)[:_MAX_KEY]}"


def _belongs_to_word(character: str) -> bool:
    return character.isalnum() or character in "+#" or unicodedata.category(character).startswith("M")


def _is_accent(combining: int) -> bool:
    return combining in _ACCENTS or combining in _POINTS
