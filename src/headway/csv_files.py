"""CSV files (RFC 4180) that spreadsheets open as they are."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

BYTE_ORDER_MARK = "\ufeff".encode()
"""By which Excel knows that a file is UTF-8."""
_FORMULA = frozenset("=+-@\t\r")
"""With what a formula begins."""


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV file, whose first row is the header; see `csv_rows`."""
    return BYTE_ORDER_MARK + csv_rows([header]) + csv_rows(rows)


def csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as a part of a CSV file.

    None is an empty cell; a text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    text = StringIO()
    csv.writer(text).writerows(
        [f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value for value in row] for row in rows
    )
    return text.getvalue().encode()
