"""Words as a search compares them: the same for both databases, whatever the case, the accents and the script."""

import pytest

from headway.words import Mentions, fold, index_terms, query_terms, words


def is_found(text: str, query: str) -> bool:
    """Return whether a text has a term in each range of a query, as the databases decide it."""
    terms = index_terms([text])
    return all(any(wanted.first <= term <= wanted.last for term in terms) for wanted in query_terms(query))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Intro to C++ & C#", "intro to c++ & c#"),
        ("Ärger ÉTÉ", "arger ete"),
        ("A\u0308rger", "arger"),
        ("Straße", "strasse"),
        ("Søren Łódź Đorđe Œuvre", "soren lodz dorde oeuvre"),
        ("İstanbul", "istanbul"),
        ("ὈΔΥΣΣΕΎΣ", "οδυσσευσ"),
        ("\uff37\uff49\uff44\uff45 \ufb01ne \u2163", "wide fine iv"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("שָׁלוֹם مُدَرِّس", "שלום مدرس"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_case_accents_and_forms_are_folded(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


def test_words_are_letters_digits_and_the_signs_of_names() -> None:
    assert words("It's 50%_off: C++, x\\y (हिन्दी) 日本語!") == ["it", "s", "50", "off", "c++", "x", "y", "हिन्दी", "日本語"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Introduction to Python", "intro"),
        ("Introduction to Python", "python introduction"),
        ("Introduction to Python", "DUCT"),
        ("Introduction to Python", "n"),
        ("Introduction to Python", "introduction introduction"),
        ("Crème brûlée", "creme BRULEE"),
        ("Creme brulee", "crème brûlée"),
        ("データサイエンス入門", "サイエンス"),
        ("データサイエンス入門", "入門 データ"),
        ("数据科学导论", "科学"),
        ("การเขียนโปรแกรม", "โปรแกรม"),
        ("Donaudampfschifffahrtsgesellschaft", "dampfschifffahrtsgesell"),
        ("Advanced C++", "c++"),
        ("a" * 10_000, "a" * 200),
    ],
)
def test_every_part_of_a_word_is_found_in_any_order(text: str, query: str) -> None:
    assert is_found(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Introduction to Python", "intro ruby"),
        ("Introduction to Python", "pythons"),
        ("Introduction to Python", "topython"),
        ("データサイエンス入門", "ガイド"),
        ("カイト", "ガイド"),
        ("Advanced C", "c++"),
        ("a" * 10_000, "a" * 199 + "b"),
        ("Anything", "%"),
        ("Anything", "!"),
        ("", "a"),
    ],
)
def test_a_word_that_is_not_there_is_not_found(text: str, query: str) -> None:
    assert not is_found(text, query)


def test_values_are_found_as_a_whole_only() -> None:
    terms = index_terms(["Subject"], subject="Größere Zahlen")

    assert [(wanted.first in terms) for wanted in query_terms(None, subject="GRÖSSERE ZAHLEN")] == [True]
    assert [(wanted.first in terms) for wanted in query_terms(None, subject="größere")] == [False]
    assert query_terms(None) == []


def test_the_number_and_length_of_terms_are_bounded() -> None:
    various = "".join(chr(0x4E00 + i) for i in range(10_000))

    terms = index_terms([various], subject="ﷺ" * 100)

    assert len(terms) <= 3 * len(various) + 1
    assert max(len(term.encode()) for term in terms) < 2_000


def test_a_query_asks_for_no_part_twice() -> None:
    assert [each.first for each in query_terms("a an any many")] == ["many"]


@pytest.mark.parametrize(
    ("name", "text", "is_there"),
    [
        ("Ed", "Ask Ed.", True),
        ("Ed", "It was edited.", False),
        ("ada@x.example", "lada@x.example", False),
        ("ada@x.example", "To ADA@x.example, today", True),
        ("Ada Lovelace", "for ada  lovelace's friend", False),
        ("田中", "田中さんへの手紙", True),
        ("田中", "田んぼの中", False),
        ("สมชาย", "คุณสมชายอยู่ที่นี่", True),
        ("สมชาย", "คุณสมหญิง", False),
    ],
)
def test_a_name_is_found_as_a_whole_where_words_have_spaces(name: str, text: str, is_there: bool) -> None:
    assert Mentions([name]).are_in(text) is is_there
