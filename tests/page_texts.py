"""The texts of the pages, extracted from templates and modules as `docs/pages.md` says, but within the process."""

import functools

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg

from headway.web.texts import LOCALES

KEYWORDS = ("text", "N_")
"""The names of functions, besides those of gettext, whose first argument is a text."""


@functools.cache
def extract_texts() -> dict[str, tuple[str, ...]]:
    """Return all texts by their English singular, each with its English forms."""
    with (LOCALES / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    keywords = DEFAULT_KEYWORDS | parse_keywords(KEYWORDS)
    found = extract_from_dir(LOCALES.parent, methods, options, keywords)
    texts: dict[str, tuple[str, ...]] = {}
    for _file, _line, text, _comments, _context in found:
        forms = (text,) if isinstance(text, str) else tuple(text)
        if len(texts.get(forms[0], ())) <= len(forms):
            texts[forms[0]] = forms
    return texts


def pseudo_catalogue(locale: str) -> Catalog:
    """Return a catalogue that brackets every text, so that a text that is not in the catalogue can be told from the others."""
    catalogue = Catalog(locale)
    for forms in extract_texts().values():
        bracketed = tuple(f"⟦{form}⟧" for form in forms)
        catalogue.add(forms[0] if len(forms) == 1 else forms, bracketed[0] if len(forms) == 1 else bracketed)
    return catalogue
