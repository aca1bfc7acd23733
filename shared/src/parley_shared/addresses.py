"""Addresses of clients, as far as anything may keep them."""

from ipaddress import IPv6Address, ip_address, ip_network


def ip_prefix(ip: str) -> str:
    """What a log may keep of an address: IPv4 /24, IPv6 /48. Empty for what is no address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
