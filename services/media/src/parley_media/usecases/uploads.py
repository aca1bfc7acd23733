"""Uploads: announced, sealed in quarantine, then made anew or refused. What is refused leaves nothing behind."""

import asyncio
import base64
import hashlib
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from parley_media.decoders import Decoded, Decoders
from parley_media.domain import (
    QUARANTINE,
    UNUSED_TIME,
    UPLOAD_TIME,
    URL_S,
    WORK_TIME,
    Budget,
    Kept,
    Stored,
    part_name,
    quarantine_name,
)
from parley_media.images.kinds import ALLOWED, kind_of
from parley_media.images.protocol import ORIGINAL
from parley_media.keys import Keys
from parley_media.objects import Objects
from parley_media.store import Begin, Store
from parley_media.usecases.eraser import Eraser, doom
from parley_shared.contracts import media as contract
from parley_shared.contracts.base import Empty
from parley_shared.contracts.images import Image, Thumbnail
from parley_shared.crypto.stream import BadSeal, open_sealed, seal, sealed_length
from parley_shared.errors import Code, Refused, invalid, not_found, unavailable
from parley_shared.ids import new_id
from parley_shared.limits import UPLOAD_BYTES

log = structlog.get_logger(__name__)

TURN_S: Final = 40.0
"""How long an upload waits for its turn at most."""
DECODED_S: Final = 50.0
"""Until when, since it was asked for, it must be decoded: storing it takes some five seconds, and FINISH_UPLOAD is waited for sixty."""

_uploads = Counter("parley_uploads", "Uploads that were finished, by outcome", ["outcome"])


class Uploads:
    """The verbs `begin_upload`, `finish_upload`, `abort_upload`."""

    def __init__(
        self, begin: Begin, objects: Objects, keys: Keys, decoders: Decoders, eraser: Eraser, per_hour: int | None
    ) -> None:
        self._begin = begin
        self._objects = objects
        self._keys = keys
        self._decoders = decoders
        self._eraser = eraser
        self._budget = None if per_hour is None else Budget(per_hour)

    async def begin(self, cmd: contract.BeginUpload) -> contract.UploadBegun:
        """Where to put the file. Raises Refused: TOO_LARGE, INVALID, RATE_LIMITED, UNAVAILABLE."""
        if cmd.capacity > UPLOAD_BYTES:
            raise Refused(Code.TOO_LARGE, f"A file may have {UPLOAD_BYTES:,} bytes at most.")
        if cmd.capacity < 1:
            raise invalid(capacity="at least 1")
        async with self._begin() as store:
            # Whoever has used up his hour costs no key.
            await self._demand_budget(store, cmd.actor.user_id)
        image_id = new_id()
        name = quarantine_name(image_id)
        key, wrapped = await self._keys.new(name)
        url, headers = await self._objects.put_url(name, sealed_length(cmd.capacity), URL_S)
        async with self._begin() as store:
            await self._spend(store, cmd.actor.user_id)
            await store.images.begin(image_id, cmd.actor.user_id, await store.now() + UPLOAD_TIME)
            row = Stored(name, image_id, QUARANTINE, 0, "", cmd.capacity, "", wrapped.key, wrapped.blob)
            await store.objects.add([row])
        return contract.UploadBegun(
            upload_id=image_id, url=url, headers=headers, name=name, key=_text(key), seconds=URL_S
        )

    async def finish(self, cmd: contract.FinishUpload) -> Image:
        """The image, once it is ready; asked again, the same.

        Raises Refused: NOT_FOUND, INVALID; UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, BAD_IMAGE, after which nothing is left of it; UNAVAILABLE,
        after which the same request may succeed.
        """
        began = asyncio.get_running_loop().time()
        async with self._begin() as store:
            known = await store.images.get(cmd.upload_id)
        if (image := _ready(known, cmd)) is not None:
            return image
        outcome = "failed"
        try:
            async with self._decoders.turn(began + TURN_S):
                image = await self._finish(cmd, began + DECODED_S)
            outcome = "done"
            return image
        except Refused as refusal:
            outcome = str(refusal.code)
            raise
        finally:
            _uploads.labels(outcome).inc()

    async def abort(self, cmd: contract.AbortUpload) -> Empty:
        """Nothing is left of it, unless it was sent already. What is not there, or somebody else's, is left alone."""
        async with self._begin() as store:
            image = await store.images.get(cmd.upload_id, lock=True)
            if image is None or image.owner_id != cmd.actor.user_id or image.claimed_at is not None:
                return Empty()
            if image.state != "erasing":
                await doom(store, [image.id], "aborted")
                if cmd.ours:
                    await self._give_back(store, image.owner_id)
        await self._eraser.try_to_finish(cmd.upload_id)
        return Empty()

    # -- one attempt

    async def _finish(self, cmd: contract.FinishUpload, until: float) -> Image:
        async with self._begin() as store:
            kept = await store.images.get(cmd.upload_id, lock=True)
            if (image := _ready(kept, cmd)) is not None:
                return image
            assert kept is not None  # noqa: S101 — _ready() refuses what is not there
            now = await store.now()
            quarantine = await store.objects.get(kept.id, QUARANTINE)
            if quarantine is None or (kept.due_at is not None and kept.due_at <= now):
                raise not_found("upload")
            if not 0 <= cmd.bytes <= quarantine.length:
                raise invalid(bytes=f"from 0 to {quarantine.length}, which was announced")
            if kept.worked_on(now):
                raise unavailable("This upload is being worked on.", retry_after_ms=2_000)
            attempt = kept.attempt + 1
            await store.images.take(kept.id, attempt, now + WORK_TIME)
            # Of an attempt that nobody has brought to its end.
            await store.objects.destroy_keys([kept.id], other_than=QUARANTINE)
        try:
            data = (await self._fetch(quarantine))[: cmd.bytes]
            decoded = await self._decode(data, until)
            return await self._keep(kept.id, attempt, decoded)
        except Refused as refusal:
            await self._give_up(kept.id, attempt, erase=refusal.code != Code.UNAVAILABLE)
            raise

    async def _fetch(self, quarantine: Stored) -> bytes:
        """The file with its padding."""
        key = await self._keys.open(quarantine)
        sealed = await self._objects.get(quarantine.name, sealed_length(quarantine.length))
        if sealed is None:
            raise unavailable("The file has not arrived; upload it again.")
        try:
            return await asyncio.to_thread(open_sealed, key, quarantine.name, quarantine.length, sealed)
        except BadSeal as error:
            log.error("quarantine.bad_seal", object=quarantine.name, reason=str(error))
            raise unavailable("The file has not arrived as it was sent; upload it again.") from None

    async def _decode(self, data: bytes, until: float) -> Decoded:
        kind = kind_of(data)
        if kind is None:
            raise Refused(
                Code.UNSUPPORTED_MEDIA_TYPE,
                f"The file is none of {', '.join(ALLOWED)}, whatever its name or type says.",
            )
        return await self._decoders.decode(data, kind, until)

    async def _keep(self, image_id: UUID, attempt: int, decoded: Decoded) -> Image:
        """Rows first, then objects, then the image is ready: no object is ever there without somebody knowing of it."""
        names = [part_name(image_id, attempt, part.name) for part in decoded.parts]
        keys = await asyncio.gather(*map(self._keys.new, names))
        rows = [
            Stored(
                name, image_id, part.name, attempt, part.content_type, part.bytes, hashlib.sha256(file).hexdigest(),
                wrapped.key, wrapped.blob,
            )
            for name, part, file, (_, wrapped) in zip(names, decoded.parts, decoded.files, keys, strict=True)
        ]  # fmt: skip
        async with self._begin() as store:
            if not await store.images.lock_attempt(image_id, attempt):
                raise not_found("upload")
            await store.objects.add(rows)

        async def put(key: bytes, name: str, file: bytes) -> None:
            await self._objects.put(name, await asyncio.to_thread(seal, key, name, file))

        await asyncio.gather(
            *(put(key, name, file) for (key, _), name, file in zip(keys, names, decoded.files, strict=True))
        )
        picture = _picture(image_id, decoded, rows)
        async with self._begin() as store:
            if not await store.images.set_ready(image_id, attempt, picture, await store.now() + UNUSED_TIME):
                raise not_found("upload")
            await store.objects.destroy_keys([image_id], part=QUARANTINE)
        await self._eraser.try_to_finish(image_id)
        return picture

    async def _give_up(self, image_id: UUID, attempt: int, *, erase: bool) -> None:
        async with self._begin() as store:
            await store.images.let_go(image_id, attempt)
            if erase and await store.images.lock_attempt(image_id, attempt):
                await doom(store, [image_id], "refused")
        if erase:
            await self._eraser.try_to_finish(image_id)

    # -- how often

    async def _demand_budget(self, store: Store, user_id: UUID) -> None:
        if self._budget is not None and (arrival := await store.arrival(user_id)) is not None:
            self._demand_turn(self._budget.wait_ms(arrival, await store.now()), self._budget)

    async def _spend(self, store: Store, user_id: UUID) -> None:
        """One upload, if the transaction is committed. Raises Refused: RATE_LIMITED, which costs nothing."""
        if self._budget is None:
            return
        arrival = await store.lock_arrival(user_id)
        now = await store.now()
        self._demand_turn(self._budget.wait_ms(arrival, now), self._budget)
        await store.set_arrival(user_id, self._budget.after(arrival, now))

    async def _give_back(self, store: Store, user_id: UUID) -> None:
        if self._budget is not None:
            await store.set_arrival(user_id, self._budget.back(await store.lock_arrival(user_id)))

    @staticmethod
    def _demand_turn(wait_ms: int, budget: Budget) -> None:
        if wait_ms:
            raise Refused(
                Code.RATE_LIMITED, f"You may upload {budget.per_hour} images an hour.", retry_after_ms=wait_ms
            )


def _ready(kept: Kept | None, cmd: contract.FinishUpload) -> Image | None:
    """The image if it is ready, None if it is still to be made. Raises Refused: NOT_FOUND."""
    if kept is None or kept.owner_id != cmd.actor.user_id or kept.state == "erasing":
        raise not_found("upload")
    return kept.picture


def _picture(image_id: UUID, decoded: Decoded, rows: list[Stored]) -> Image:
    [(original, row)] = [(p, r) for p, r in zip(decoded.parts, rows, strict=True) if p.name == ORIGINAL]
    thumbnails = [
        Thumbnail(
            size=int(part.name), content_type=part.content_type, bytes=part.bytes, width=part.width, height=part.height
        )
        for part in decoded.parts
        if part.name != ORIGINAL
    ]
    return Image(
        id=image_id,
        content_type=original.content_type,
        bytes=original.bytes,
        width=original.width,
        height=original.height,
        sha256=row.sha256,
        blurhash=decoded.blurhash,
        animated=decoded.animated,
        thumbnails=sorted(thumbnails, key=lambda thumbnail: thumbnail.size),
    )


def _text(key: bytes) -> str:
    """A key as the contract carries it."""
    return base64.b64encode(key).decode()
