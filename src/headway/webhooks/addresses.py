"""Which network addresses belong to the public internet, so that a webhook may be sent there."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")
_NOT_FOR_OTHERS = [
    ip_network(each)
    for each in (
        "168.63.129.16/32",  # the platform services of Azure, also its metadata
        "192.0.0.0/24",  # protocol assignments (RFC 6890); metadata of Oracle
        "192.88.99.0/24",  # relays of 6to4, which nobody runs any more (RFC 7526)
        "64:ff9b:1::/48",  # NAT64 within a network (RFC 8215)
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing within a network (RFC 9602)
        "fec0::/10",  # site-local addresses (RFC 3879)
    )
]


def is_public(text: str) -> bool:
    """Return whether an IP address is one of the public internet.

    Private, loopback, link-local (also the metadata of clouds), shared (CGNAT), multicast, reserved and documentation addresses
    are not (IANA's special-purpose registries). Nor are IPv4-mapped ones, which no name has, and IPv6 addresses whose packets
    reach such an IPv4 address.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_global(address)
    if address in _NAT64:
        return _is_global(IPv4Address(int(address) & 0xFFFFFFFF))
    return _is_global(address) and all(map(_is_global, _reached_by(address)))


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if any(address.version == each.version and address in each for each in _NOT_FOR_OTHERS):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _reached_by(address: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses to which tunnels pass the packets for an IPv6 address on."""
    return [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
