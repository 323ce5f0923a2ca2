"""URLs that are shown to somebody: they lead where they seem to, and run nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.text import MAX_URL_LENGTH, URL_PATTERN, shown_url, split_url

UNSAFE = "must not have spaces, quotes, angle brackets, backslashes or invisible characters"


@pytest.mark.parametrize(
    "url",
    [
        "https://school.test/certificates/1",
        "HTTPS://School.Test/certificates/1",
        "https://school.test",
        "https://school.test:8443/c?of=ada#top",
        "https://xn--cole-9oa.test/zo\u00eb",
        "https://192.0.2.7/c",
        "https://intranet/c",
        "https://medium.test/@ada",
        "https://school.test/" + "a" * (MAX_URL_LENGTH - 20),
    ],
)
def test_a_url_that_leads_where_it_seems_to_is_shown(url: str) -> None:
    assert split_url(url).scheme == "https"
    assert shown_url(url) == url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("JaVaScRiPt://school.test/%0aalert(1)", "must begin with https://"),
        ("data:text/html,alert(1)", "must begin with https://"),
        ("http://school.test/c", "must begin with https://"),
        ("//school.test/c", "must begin with https://"),
        ("/c", "must begin with https://"),
        ("school.test/c", "must begin with https://"),
        ("https:school.test", "must have a host name"),
        ("https:/school.test", "must have a host name"),
        ("https://", "must have a host name"),
        ("https:///c", "must have a host name"),
        ("https://-school.test/", "must have a host name"),
        ("https://school..test/", "must have a host name"),
        ("https://school.test:0/", "must have a host name"),
        ("https://\u00e9cole.test/", "must have a host name"),
        ("https://s\u0441hool.test/", "must have a host name"),
        ("https://[2001:db8::1]/", "must have a host name"),
        ("https://school.test:port/", "must be a valid URL"),
        ("https://school.test:65536/", "must be a valid URL"),
        ("https://[::1/", "must be a valid URL"),
        ("https://school.test\uff0fevil.test/", "must be a valid URL"),
        ("https://ada@school.test/", "must not hold credentials"),
        ("https://@school.test/", "must not hold credentials"),
        ("https://school.test:secret@evil.test/", "must not hold credentials"),
        ("https://school.test\\@evil.test/", UNSAFE),
        ('https://school.test/"onmouseover="alert(1)', UNSAFE),
        ("https://school.test/<script>", UNSAFE),
        ("https://school.test/`", UNSAFE),
        (" https://school.test/", UNSAFE),
        ("https://school.test/a b", UNSAFE),
        ("https://school.test/a\u00a0b", UNSAFE),
        ("https://school.test/\n", UNSAFE),
        ("java\tscript:alert(1)", UNSAFE),
        ("\x01javascript:alert(1)", UNSAFE),
        ("https://school.test/\0", UNSAFE),
        ("https://school.test/\u202egpj.exe", UNSAFE),
        ("https://school.test/\u200b", UNSAFE),
        ("https://school.test/" + "a" * (MAX_URL_LENGTH - 19), "must have at most 500 characters"),
        ("h" * 900_000, "must have at most 500 characters"),
    ],
)
def test_any_other_url_is_refused_and_not_shown_where_it_is_stored(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as raised:
        split_url(url)

    assert str(raised.value) == fault
    assert shown_url(url) is None


def test_no_url_is_shown_where_there_is_none() -> None:
    assert shown_url(None) is None


@given(st.from_regex(URL_PATTERN.removesuffix("$"), fullmatch=True).filter(lambda url: len(url) <= MAX_URL_LENGTH))
def test_what_the_openapi_document_describes_is_accepted(url: str) -> None:
    assert shown_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["https://my-school.test/c?of=ada#top", "https://school.test:8443", "https://school.test?id=1", "https://a.b/~c/%20(d)"],
)
def test_the_openapi_document_describes_usual_urls(url: str) -> None:
    assert re.search(URL_PATTERN, url)
    assert shown_url(url) == url
