"""Who is connected to this gateway, and how many of whom."""

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from parley_gateway.settings import Settings
from parley_gateway.tokens import Claims


class Connected(Protocol):
    """A connection, as the roster sees it. claims: None until it has authenticated."""

    @property
    def ip(self) -> str: ...

    @property
    def claims(self) -> Claims | None: ...

    @property
    def is_closed(self) -> bool: ...


C = TypeVar("C", bound=Connected)


class Roster(Generic[C]):
    """Keeps the limits of connections: of an address, of an address's strangers (not yet authenticated), of a user."""

    def __init__(self, settings: Settings) -> None:
        self._per_ip = settings.connections_per_ip
        self._strangers_per_ip = settings.unauthenticated_per_ip
        self._per_user = settings.connections_per_user
        self._everyone: set[C] = set()
        self._by_user: dict[UUID, set[C]] = {}
        self._by_ip: Tally[str] = Tally()
        self._strangers: dict[str, set[C]] = {}

    def __len__(self) -> int:
        return len(self._everyone)

    def __iter__(self) -> Iterator[C]:
        """A copy: closing connections while going through them is what callers do."""
        return iter(list(self._everyone))

    @property
    def has_users(self) -> bool:
        """Whether anybody has authenticated."""
        return bool(self._by_user)

    def of_user(self, user_id: UUID) -> list[C]:
        return list(self._by_user.get(user_id, ()))

    def refuses(self, ip: str) -> str | None:
        """Why another socket of this address cannot be had; None if it can."""
        if self._per_ip is not None and self._by_ip[ip] >= self._per_ip:
            return "too many connections of this address"
        if self._strangers_per_ip is not None and len(self._strangers.get(ip, ())) >= self._strangers_per_ip:
            return "too many connections of this address have not authenticated"
        return None

    def enter(self, connection: C) -> None:
        """A socket has been opened. One that was closed at once is no stranger: nobody waits for its token."""
        self._everyone.add(connection)
        self._by_ip[connection.ip] += 1
        if not connection.is_closed:
            self._strangers.setdefault(connection.ip, set()).add(connection)

    def admit(self, connection: C) -> bool:
        """Count a connection that has authenticated; False past the limit of its user."""
        claims = connection.claims
        if claims is None:
            raise RuntimeError("not authenticated yet")
        self._no_stranger(connection)
        mine = self._by_user.get(claims.user_id, set())
        if self._per_user is not None and len(mine) >= self._per_user:
            return False
        mine.add(connection)
        self._by_user[claims.user_id] = mine
        return True

    def forget(self, connection: C) -> None:
        """The connection speaks no more; may be said twice. Its socket may still be open."""
        self._no_stranger(connection)
        if connection.claims is None:
            return
        user_id = connection.claims.user_id
        mine = self._by_user.get(user_id)
        if mine is not None:
            mine.discard(connection)
            if not mine:
                del self._by_user[user_id]

    def leave(self, connection: C) -> None:
        """The socket is gone."""
        self.forget(connection)
        self._everyone.discard(connection)
        self._by_ip[connection.ip] -= 1
        if self._by_ip[connection.ip] <= 0:
            del self._by_ip[connection.ip]

    def _no_stranger(self, connection: C) -> None:
        strangers = self._strangers.get(connection.ip)
        if strangers is not None:
            strangers.discard(connection)
            if not strangers:
                del self._strangers[connection.ip]
