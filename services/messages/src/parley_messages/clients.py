"""Typed calls to peers."""

import time
from collections.abc import Iterable
from uuid import UUID

from parley_messages.domain.mentions import Mentions
from parley_messages.domain.sending import Checked
from parley_shared.contracts.auth import (
    CONFIRM_TOKEN,
    KNOWN_USERS,
    RECEIPTS_OFF,
    RESOLVE_NAMES,
    USER_ROLES,
    AdminRequest,
    ConfirmToken,
    UserIds,
    UserNames,
)
from parley_shared.contracts.base import Actor, Role
from parley_shared.contracts.images import Image, ImageUse
from parley_shared.contracts.media import CLAIM_IMAGES, RELEASE_IMAGES, ClaimImages, Claims, ReleaseImages
from parley_shared.contracts.verifying import CHECK_IMAGES, CheckImages
from parley_shared.errors import Code, Refused
from parley_shared.messaging.rpc import RpcClient

NAMES_KEPT = 20_000
NAME_KEPT_S = 60.0
"""How long a name is known; usernames do not change, accounts end."""
NOBODY_KEPT_S = 5.0
"""How long a name is known to be nobody's: somebody may register any moment."""
RECEIPTS_KEPT_S = 5.0
MOST_ASKED = 5_000
"""Users in one question."""
CLAIM_WAIT_S = 1.0
"""How long media is waited for: what else is in the same batch waits, too."""
RECEIPTS_WAIT_S = 1.0
"""How long an answer about receipts is waited for: whoever reports positions waits himself meanwhile."""


class AuthClient:
    """Who exists, and who is called what, auth knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc
        self._names: dict[str, tuple[UUID | None, float]] = {}
        self._quiet: dict[UUID, tuple[bool, float]] = {}

    async def known(self, ids: list[UUID]) -> set[UUID]:
        """Which of these can be addressed. Raises Refused: UNAVAILABLE."""
        return set((await self._rpc.call(KNOWN_USERS, UserIds(ids=ids))).ids)

    async def roles(self, ids: list[UUID]) -> dict[UUID, Role]:
        """Global roles of those of these who can be addressed. Raises Refused: UNAVAILABLE."""
        return (await self._rpc.call(USER_ROLES, UserIds(ids=ids))).roles

    async def confirm(self, actor: Actor, token: str) -> Role:
        """The actor's global role of this moment. Raises Refused: BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        return (await self._rpc.call(CONFIRM_TOKEN, ConfirmToken(actor=actor, token=token))).role

    async def demand_admin(self, command: AdminRequest) -> None:
        """Whoever takes over the gateway takes over its users, so an admin's verb carries his token. Raises Refused: FORBIDDEN,
        BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        if command.actor.role != "admin" or await self.confirm(command.actor, command.token) != "admin":
            raise Refused(Code.FORBIDDEN, "Only an admin may do this.")

    async def named(self, mentions: Iterable[Mentions]) -> list[tuple[UUID, ...]]:
        """Whom each of these names: ids, each once. Raises Refused: UNAVAILABLE if auth must be asked and is away."""
        wanted = [found.names for found in mentions]
        now = time.monotonic()
        if len(self._names) > NAMES_KEPT:
            self._names.clear()
        names = {name for found in wanted for readings in found for name in readings}
        known = {name: entry[0] for name in names if (entry := self._names.get(name)) is not None and entry[1] >= now}
        unknown = sorted(names - known.keys())
        if unknown:
            ids = (await self._rpc.call(RESOLVE_NAMES, UserNames(names=unknown))).ids
            for name in unknown:
                known[name] = ids.get(name)
                self._names[name] = (known[name], now + (NAME_KEPT_S if name in ids else NOBODY_KEPT_S))
        # Of the readings of a name the longest that somebody has.
        people = [[next(filter(None, map(known.get, readings)), None) for readings in found] for found in wanted]
        return [tuple({user: None for user in found if user is not None}) for found in people]

    async def receipts_off(self, ids: list[UUID]) -> set[UUID]:
        """Which of these have switched read receipts off; known for a few seconds. Raises Refused: UNAVAILABLE."""
        now = time.monotonic()
        if len(self._quiet) > NAMES_KEPT:
            self._quiet.clear()
        known = {user: entry[0] for user in ids if (entry := self._quiet.get(user)) is not None and entry[1] >= now}
        unknown = sorted({user for user in ids if user not in known})
        for start in range(0, len(unknown), MOST_ASKED):
            asked = unknown[start : start + MOST_ASKED]
            quiet = set((await self._rpc.call(RECEIPTS_OFF, UserIds(ids=asked), timeout=RECEIPTS_WAIT_S)).ids)
            for user in asked:
                known[user] = user in quiet
                self._quiet[user] = (user in quiet, now + RECEIPTS_KEPT_S)
        return {user for user, off in known.items() if off}


class MediaClient:
    """What images there are media knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def claim(self, sends: list[Checked]) -> list[list[Image]]:
        """Of each send those of its images that are ready and the sender's. Raises Refused: UNAVAILABLE."""
        claims = [
            ClaimImages(owner_id=send.sender_id, room_id=send.room_id, image_ids=list(send.image_ids)) for send in sends
        ]
        return (await self._rpc.call(CLAIM_IMAGES, Claims(claims=claims), timeout=CLAIM_WAIT_S)).found

    async def release(self, image_ids: list[UUID]) -> None:
        """No message carries these any more. Raises Refused: UNAVAILABLE."""
        await self._rpc.call(RELEASE_IMAGES, ReleaseImages(image_ids=image_ids))

    async def wrong_images(self, rooms: dict[UUID, list[UUID]]) -> dict[UUID, str]:
        """Which of these cannot be shown where messages carry them, and why; rooms: by image, at most 1,000. Raises Refused:
        UNAVAILABLE."""
        uses = [ImageUse(image_id=image_id, room_ids=room_ids) for image_id, room_ids in rooms.items()]
        answer = await self._rpc.call(CHECK_IMAGES, CheckImages(images=uses))
        return {item.image_id: item.detail for item in answer.wrong}
