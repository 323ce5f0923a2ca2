"""Paths as the router sees them, which are decoded after they are routed, and the methods of a path."""

from collections.abc import Iterable
from urllib.parse import unquote

LONGEST_PART = 1_600
"""In characters. An external id has 500, each of which takes three where it is a slash."""


def allow(methods: Iterable[str]) -> str:
    """Return the value of an Allow header: HEAD goes with GET, and OPTIONS with everything."""
    names = {*methods, "OPTIONS"}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


def routable(raw_path: bytes) -> str:
    """Decode a path, but keep the slashes and percent signs within its parts encoded: `/a%2Fb/%41` is `/a%2Fb/A`.

    What is not UTF-8 becomes U+FFFD, which is part of no id. Parts are cut where they are too long for any id, because the
    router remembers paths.
    """
    parts = raw_path.decode("latin-1").split("/")
    return "/".join(unquote(part).replace("%", "%25").replace("/", "%2F")[:LONGEST_PART] for part in parts)


def decode_parameter(value: str) -> str:
    """Decode a parameter of a path that was routed. No database can store a NUL character; it becomes U+FFFD too."""
    return value.replace("%2F", "/").replace("%25", "%").replace("\0", "\ufffd")
