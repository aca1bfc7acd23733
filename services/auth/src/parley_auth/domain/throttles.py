"""At most so many failures within a rolling window, counted under a key that all replicas share."""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Literal

Kind = Literal["login_account", "login_ip", "register_ip"]

STALE = timedelta(seconds=30)
"""After that long an attempt still under way was lost with its replica, and counts as a failure."""


@dataclass(frozen=True, slots=True)
class Guard:
    """One count: what is counted, under which key (32 bytes), how often within which time."""

    kind: Kind
    key: bytes
    limit: int
    window: timedelta

    @property
    def lock(self) -> int:
        """A number for an advisory lock, the same in every replica."""
        return int.from_bytes(hashlib.sha256(self.kind.encode() + self.key).digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """retry_after: refused, and waiting that long helps. busy: others under way may still fail; ask again soon."""

    retry_after: timedelta | None = None
    busy: bool = False


def judge(guard: Guard, settled: Sequence[datetime], pending: int, now: datetime) -> Verdict:
    """May one more attempt begin?

    settled: when attempts failed, newest first. pending: how many are under way. So many attempts are let in that the
    limit holds even if all of them fail, and none is refused before it is sure that it must be.
    """
    recent = [at for at in settled if at > now - guard.window]
    if len(recent) >= guard.limit:
        return Verdict(retry_after=recent[guard.limit - 1] + guard.window - now)
    return Verdict(busy=len(recent) + pending >= guard.limit)


def milliseconds(span: timedelta) -> int:
    """Rounded up, so that who waits that long has waited long enough."""
    return max(1, ceil(span / timedelta(milliseconds=1)))


def account_key(typed: str) -> bytes:
    """For a username as somebody typed it. Hashed, since people type their password there."""
    return hashlib.sha256(typed.encode("utf-8", "surrogatepass")).digest()


def network(ip: str) -> str:
    """The network that one customer has: an IPv4 address, an IPv6 /64; what is no address stands for itself."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def ip_key(ip: str) -> bytes:
    return hashlib.sha256(network(ip).encode("utf-8", "surrogatepass")).digest()
