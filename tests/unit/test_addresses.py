"""Addresses as people paste them."""

import pytest

from headway.enrollments.addresses import read_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@example.org", ["ada@example.org"]),
        (" a@b.c,d@e.f;g@h.i\r\nj@k.l m@n.o\t", ["a@b.c", "d@e.f", "g@h.i", "j@k.l", "m@n.o"]),
        ("Ada Lovelace <ada@example.org>, <b@c.d>", ["ada@example.org", "b@c.d"]),
        ("ADA@example.org\nada@EXAMPLE.org", ["ADA@example.org"]),
        ("ada.example.org <>", ["ada.example.org", "<>"]),
        ("<script>alert(1)</script>", ["<script>alert(1)</script>"]),
        (" ,;\n", []),
    ],
)
def test_addresses_are_read_as_people_paste_them(text: str, expected: list[str]) -> None:
    assert read_addresses(text) == expected
