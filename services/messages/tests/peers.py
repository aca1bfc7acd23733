"""Stand-ins for the services that messages asks, each behind its contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from parley_shared.contracts.auth import (
    CONFIRM_TOKEN,
    KNOWN_USERS,
    RECEIPTS_OFF,
    RESOLVE_NAMES,
    USER_ROLES,
    Confirmed,
    ConfirmToken,
    NamedUsers,
    UserIds,
    UserNames,
    UserRoles,
)
from parley_shared.contracts.base import Empty, Role
from parley_shared.contracts.images import Image
from parley_shared.contracts.media import CLAIM_IMAGES, RELEASE_IMAGES, ClaimedImages, Claims, ReleaseImages
from parley_shared.contracts.verifying import CHECK_IMAGES, CheckImages, ImagesChecked, WrongImage
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient, RpcServer

if TYPE_CHECKING:
    from parley_shared.testing.fixtures import Nats

GOOD_TOKEN = "the only one that the stand-in for auth knows"


@dataclass
class People:
    """What the stand-in for auth knows: ids that nobody has, usernames, and who wants no receipts."""

    unknown: set[UUID] = field(default_factory=set)
    names: dict[str, UUID] = field(default_factory=dict)
    receipts_off: set[UUID] = field(default_factory=set)
    roles: dict[UUID, Role] = field(default_factory=dict)


@dataclass
class Gallery:
    """What the stand-in for media knows: whose which image is, and what messages told it."""

    images: dict[UUID, tuple[UUID, Image]] = field(default_factory=dict)
    claimed: list[tuple[UUID, UUID]] = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)
    away: bool = False
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, owner_id: UUID) -> Image:
        """A new image of somebody's."""
        image = Image(
            id=new_id(),
            content_type="image/png",
            bytes=68,
            width=1,
            height=1,
            sha256="0" * 64,
            blurhash="00TI:j",
            thumbnails=[],
        )
        self.images[image.id] = (owner_id, image)
        return image

    async def until_released(self, image_id: UUID) -> None:
        async with asyncio.timeout(10):
            while image_id not in self.released:
                self.told.clear()
                await self.told.wait()


@contextlib.asynccontextmanager
async def stand_in_for_auth(nats: "Nats", people: People) -> AsyncIterator[RpcClient]:
    """Stands in for auth: everybody exists who was not declared unknown. What it asks others goes through the client."""
    bus = nats.bus("auth")
    await bus.connect()
    server = RpcServer(bus, service="auth", version="0.0.0", outage=lambda _error: False)

    async def known(request: UserIds) -> UserIds:
        return UserIds(ids=[user_id for user_id in request.ids if user_id not in people.unknown])

    async def resolve(request: UserNames) -> NamedUsers:
        return NamedUsers(ids={name: people.names[name] for name in request.names if name in people.names})

    async def quiet(request: UserIds) -> UserIds:
        return UserIds(ids=[user_id for user_id in request.ids if user_id in people.receipts_off])

    async def roles(request: UserIds) -> UserRoles:
        return UserRoles(
            roles={user: people.roles.get(user, "user") for user in request.ids if user not in people.unknown}
        )

    async def confirm(request: ConfirmToken) -> Confirmed:
        if request.token != GOOD_TOKEN:
            raise Refused(Code.BAD_TOKEN, "The access token is not one of ours.")
        return Confirmed(role=people.roles.get(request.actor.user_id, "user"))

    server.serve(USER_ROLES, roles)
    server.serve(CONFIRM_TOKEN, confirm)
    server.serve(KNOWN_USERS, known)
    server.serve(RESOLVE_NAMES, resolve)
    server.serve(RECEIPTS_OFF, quiet)
    await server.start()
    rpc = RpcClient(bus)
    await rpc.start()
    yield rpc
    await server.stop()
    await bus.close()


@contextlib.asynccontextmanager
async def stand_in_for_media(nats: "Nats", gallery: Gallery) -> AsyncIterator[RpcClient]:
    """Stands in for media. What it asks messages goes through the client."""
    bus = nats.bus("media")
    await bus.connect()
    server = RpcServer(bus, service="media", version="0.0.0", outage=lambda _error: False)

    async def claim(request: Claims) -> ClaimedImages:
        if gallery.away:
            raise unavailable("media is away")
        found = []
        for asked in request.claims:
            known = [gallery.images[image_id] for image_id in asked.image_ids if image_id in gallery.images]
            found.append([image for owner, image in known if owner == asked.owner_id])
            gallery.claimed += [(image.id, asked.room_id) for image in found[-1]]
        return ClaimedImages(found=found)

    async def release(request: ReleaseImages) -> Empty:
        if gallery.away:
            raise unavailable("media is away")
        gallery.released += request.image_ids
        gallery.told.set()
        return Empty()

    server.serve(CLAIM_IMAGES, claim)

    async def check(request: CheckImages) -> ImagesChecked:
        lost = [use.image_id for use in request.images if use.image_id not in gallery.images]
        return ImagesChecked(
            wrong=[WrongImage(image_id=image_id, detail="media does not know it") for image_id in lost]
        )

    server.serve(CHECK_IMAGES, check)
    server.serve(RELEASE_IMAGES, release)
    await server.start()
    rpc = RpcClient(bus)
    await rpc.start()
    yield rpc
    await server.stop()
    await bus.close()
