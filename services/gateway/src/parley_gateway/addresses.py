"""Where a request comes from: the peer of the connection, or whom a trusted proxy names."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers

Network = IPv4Network | IPv6Network


def client_address(peer: str, headers: Headers, trusted: list[Network]) -> str:
    """The nearest address that is none of our own proxies.

    X-Forwarded-For is read from its end, since each proxy appends the peer it saw: what stands before the first address
    that we do not trust was written by somebody we do not know. A proxy may append a line of its own instead of
    lengthening the one that is there, so all lines count.
    """
    found = peer
    chain = [part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",")]
    while chain and _is_trusted(found, trusted):
        named = _parsed(chain.pop())
        if named is None:
            break
        found = str(named)
    return found


def is_secure(scheme: str, peer: str, headers: Headers, trusted: list[Network]) -> bool:
    """Whether the client speaks TLS, to us or to a trusted proxy that says so."""
    if scheme == "https":
        return True
    said = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return said == "https" and _is_trusted(peer, trusted)


def _is_trusted(text: str, trusted: list[Network]) -> bool:
    address = _parsed(text)
    return address is not None and any(address in network for network in trusted)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, `[v6]`, or with a port."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
