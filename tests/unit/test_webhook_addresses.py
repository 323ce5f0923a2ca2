"""Which addresses webhooks may be sent to."""

import pytest

from headway.webhooks.addresses import is_public

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822", "2002:5db8:d822::1"]
OTHERS = {
    "this network": "0.0.0.0",  # noqa: S104 - not bound to
    "private": "10.1.2.3",
    "private too": "172.16.0.1",
    "private as well": "192.168.1.1",
    "loopback": "127.0.0.1",
    "loopback elsewhere": "127.9.9.9",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "metadata of Azure": "168.63.129.16",
    "metadata of Alibaba": "100.100.100.200",
    "CGNAT": "100.64.0.1",
    "protocol assignments": "192.0.0.192",
    "documentation": "192.0.2.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "multicast of the world": "233.252.1.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "6to4 relay": "192.88.99.1",
    "unspecified": "::",
    "loopback of IPv6": "::1",
    "unique local": "fd00::1",
    "metadata of IPv6": "fd00:ec2::254",
    "link-local of IPv6": "fe80::1",
    "with a zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "multicast of IPv6": "ff02::1",
    "multicast of the world in IPv6": "ff0e::1",
    "documentation of IPv6": "2001:db8::1",
    "IPv4-mapped": "::ffff:93.184.216.34",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-compatible": "::7f00:1",
    "NAT64 to a private one": "64:ff9b::10.0.0.1",
    "NAT64 within a network": "64:ff9b:1::1",
    "6to4 to a private one": "2002:0a00:0001::1",
    "Teredo by a private server": "2001:0:0a00:0001::1",
    "no address": "example.org",
    "nothing": "",
    "a number": "2130706433",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", OTHERS.values(), ids=OTHERS)
def test_other_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
