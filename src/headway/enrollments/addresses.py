"""E-mail addresses as people paste them: what is to be enrolled of a text."""

import re

from headway.identity import settle_email

_SEPARATORS = re.compile(r"[\r\n,;]+")
_IN_BRACKETS = re.compile(r"<([^<>\s]*@[^<>\s]*)>")


def read_addresses(text: str) -> list[str]:
    """Return the e-mail addresses of a text in order, each once, also what is to be one and is not.

    They are separated by commas, semicolons, spaces or lines; of `Ada Lovelace <ada@example.org>` it is what is in the
    brackets.
    """
    found: dict[str, str] = {}
    for part in _SEPARATORS.split(text):
        for address in _IN_BRACKETS.findall(part) or part.split():
            found.setdefault(settle_email(address), address)
    return list(found.values())
