"""Seeing an image: its owner until it is sent, then whoever sees a message that carries it."""

import base64
from uuid import UUID

from parley_media.clients import MessagesClient
from parley_media.domain import URL_S, Kept
from parley_media.images.protocol import ORIGINAL
from parley_media.keys import Keys
from parley_media.objects import Objects
from parley_media.store import Begin
from parley_shared.contracts.base import Actor
from parley_shared.contracts.media import OpenedImage, OpenImage
from parley_shared.errors import not_found


class Viewing:
    """The verb `open_image`."""

    def __init__(self, begin: Begin, objects: Objects, keys: Keys, messages: MessagesClient) -> None:
        self._begin = begin
        self._objects = objects
        self._keys = keys
        self._messages = messages

    async def open(self, cmd: OpenImage) -> OpenedImage:
        """Where it lies, and its key. Raises Refused: NOT_FOUND, UNAVAILABLE."""
        part = ORIGINAL if cmd.size is None else str(cmd.size)
        async with self._begin() as store:
            image = await store.images.get(cmd.image_id)
            stored = await store.objects.get(cmd.image_id, part)
            rooms = (await store.images.rooms([cmd.image_id])).get(cmd.image_id, [])
        if image is None or image.state != "ready" or stored is None:
            raise not_found("image")
        if not await self._may_see(cmd.actor, image, rooms):
            raise not_found("image")
        key = await self._keys.open(stored)
        return OpenedImage(
            url=await self._objects.get_url(stored.name, URL_S),
            name=stored.name,
            key=base64.b64encode(key).decode(),
            content_type=stored.content_type,
            bytes=stored.length,
            etag=stored.sha256,
            seconds=URL_S,
        )

    async def _may_see(self, actor: Actor, image: Kept, rooms: list[UUID]) -> bool:
        mine = image.owner_id == actor.user_id
        if not rooms:
            # It was never about to be sent anywhere.
            return mine
        answer = await self._messages.may_see(actor, image.id, rooms)
        if answer.sent:
            return answer.visible
        if not mine:
            return False
        # It may not know of it any more because media has been told meanwhile that no message carries it: what was read before it
        # answered does not say so.
        async with self._begin() as store:
            now = await store.images.get(image.id)
        return now is not None and now.state == "ready" and now.released_at is None
