"""An address is believed as far as our own proxies reach, and not one step further."""

from ipaddress import ip_network

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from parley_gateway.addresses import client_address
from parley_gateway.settings import Settings

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


def address(peer: str, *lines: str) -> str:
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
    return client_address(peer, headers, TRUSTED)


@pytest.mark.parametrize(
    ("peer", "lines", "found"),
    [
        ("198.51.100.1", (), "198.51.100.1"),
        ("198.51.100.1", ("203.0.113.9",), "198.51.100.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1", "203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.9, 10.0.0.2",), "203.0.113.9"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", ("203.0.113.9:5555",), "203.0.113.9"),
        ("10.0.0.1", ("[2001:db9::1]:5555",), "2001:db9::1"),
        ("2001:db8::1", ("2001:db9::1",), "2001:db9::1"),
        ("::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9, unknown",), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("", ("203.0.113.9",), ""),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours(peer: str, lines: tuple[str, ...], found: str) -> None:
    assert address(peer, *lines) == found


def test_proxies_are_told_as_addresses_and_networks_and_none_is_trusted_by_itself() -> None:
    assert Settings().trusted_proxies == []
    assert Settings(trusted_proxies="10.0.0.1, 192.168.0.0/16").trusted_proxies == [
        ip_network("10.0.0.1/32"),
        ip_network("192.168.0.0/16"),
    ]
    with pytest.raises(ValidationError):
        Settings(trusted_proxies="somewhere")
