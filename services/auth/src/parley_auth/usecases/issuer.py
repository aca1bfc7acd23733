"""Fresh pairs of tokens."""

from datetime import datetime
from uuid import UUID

from parley_auth.domain.codes import digest, new_refresh_token
from parley_auth.domain.tokens import Claims, sign
from parley_auth.keyring import Keyring
from parley_auth.settings import Settings
from parley_auth.store import Store
from parley_auth.store.users import UserRow
from parley_shared.contracts.auth import Client, Tokens


class Issuer:
    """Signs access tokens, and stores the hashes of refresh tokens."""

    def __init__(self, keyring: Keyring, settings: Settings) -> None:
        self._keyring = keyring
        self._settings = settings

    async def prepare(self) -> None:
        """Have the keys at hand; before the transaction begins."""
        await self._keyring.prepare()

    def session_ends(self, now: datetime) -> datetime:
        """When a session ends that is not used after now."""
        return now + self._settings.refresh_lifetime

    async def issue(
        self, store: Store, user: UserRow, session_id: UUID, *, parent: bytes | None, now: datetime
    ) -> Tokens:
        """A pair for this session. parent: the hash of the refresh token that it replaces."""
        refresh = new_refresh_token()
        await store.sessions.add_token(
            digest=digest(refresh), session_id=session_id, parent=parent, at=now, expires_at=self.session_ends(now)
        )
        access = sign(
            Claims(user.id, session_id, user.ver, user.role),
            self._keyring.signing(now),
            now=now,
            lifetime=self._settings.access_lifetime,
        )
        return Tokens(
            access_token=access,
            token_type="bearer",  # noqa: S106 — RFC 6750's name of the scheme
            expires_in=self._settings.access_lifetime_s,
            refresh_token=refresh,
            refresh_expires_in=int(self._settings.refresh_lifetime.total_seconds()),
            user_id=user.id,
            session_id=session_id,
        )


def shown_ip(client: Client) -> str:
    """What a session keeps of an address that the gateway passed on."""
    return _storable(client.ip, 64)


def shown_agent(client: Client) -> str:
    """What a session keeps of a user agent, which is whatever a stranger wrote there."""
    return _storable(client.user_agent, 256)


def _storable(text: str, most: int) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:most]
