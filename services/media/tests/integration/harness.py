"""Replicas of media on a real PostgreSQL, NATS and S3, what gateways do with what it answers, and stand-ins for auth and messages."""

import asyncio
import base64
import contextlib
import random
import secrets
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg
import boto3
import pytest
from botocore.config import Config
from PIL import Image as Picture

from parley_media.app import Parts, wire
from parley_media.settings import Settings
from parley_shared.contracts import images as seen
from parley_shared.contracts import media as contract
from parley_shared.contracts.auth import CONFIRM_TOKEN, Confirmed, ConfirmToken
from parley_shared.contracts.base import Actor, Role
from parley_shared.contracts.images import Image
from parley_shared.crypto.stream import Sealer, open_sealed
from parley_shared.crypto.wrapping import new_line
from parley_shared.db.engine import make_engine
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient, RpcServer
from parley_shared.testing.fixtures import S3, Nats, Postgres

TOKEN = "of an admin"


@dataclass
class Carried:
    """What messages says of an image: it was sent, and these people see it now."""

    viewers: set[UUID]
    used: bool = True


class World:
    """As many replicas as a test wants, on one database and one bucket.

    carried: by image, as messages says. asked: every question that it was asked. messages_away: it does not answer. roles: by token,
    as auth says. meanwhile: happens while messages is asked who sees an image.
    """

    def __init__(self, postgres: Postgres, nats: Nats, s3: S3, folder: Path) -> None:
        self.postgres = postgres
        self.nats = nats
        self.s3 = s3
        self.bucket = f"test-{secrets.token_hex(6)}"
        self.wrapping_key = folder / "wrapping-key"
        self.wrapping_key.write_text(new_line())
        self.carried: dict[UUID, Carried] = {}
        self.asked: list[Any] = []
        self.messages_away = False
        self.roles: dict[str, Role] = {TOKEN: "admin"}
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.bus = await self.connected("media")
        self.rpc = RpcClient(self.bus)
        await self.rpc.start()
        for name in ("messages", "auth"):
            server = RpcServer(await self.connected(name), service=name, version="0.0.0", outage=lambda _error: False)
            if name == "messages":
                server.serve(seen.MAY_SEE_IMAGE, self._may_see)
                server.serve(seen.IMAGES_IN_USE, self._in_use)
            else:
                server.serve(CONFIRM_TOKEN, self._confirm)
            await server.start()
            self._stack.push_async_callback(server.stop)
        self.database = await asyncpg.connect(self.postgres.admin_url)
        self._stack.push_async_callback(self.database.close)
        self.client: Any = boto3.client(
            "s3", endpoint_url=self.s3.url, region_name="us-east-1", aws_access_key_id=self.s3.access_key,
            aws_secret_access_key=self.s3.secret_key, config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )  # fmt: skip
        self._stack.callback(self._remove_bucket)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _remove_bucket(self) -> None:
        """Servers allow so many."""
        with contextlib.suppress(self.client.exceptions.NoSuchBucket):
            for name in self.names():
                self.client.delete_object(Bucket=self.bucket, Key=name)
            self.client.delete_bucket(Bucket=self.bucket)

    async def connected(self, name: str) -> Bus:
        bus = self.nats.bus(name)
        await bus.connect()
        self._stack.push_async_callback(bus.close)
        return bus

    async def _may_see(self, request: seen.MaySeeImage) -> seen.MaySeeImageAnswer:
        self._heard(request)
        if self.meanwhile is not None:
            await self.meanwhile()
        carried = self.carried.get(request.image_id)
        if carried is None:
            return seen.MaySeeImageAnswer(sent=False, visible=False)
        return seen.MaySeeImageAnswer(sent=True, visible=request.viewer_id in carried.viewers)

    async def _in_use(self, request: seen.ImagesInUse) -> seen.ImagesInUseAnswer:
        self._heard(request)
        used = [
            use.image_id for use in request.images if use.image_id in self.carried and self.carried[use.image_id].used
        ]
        return seen.ImagesInUseAnswer(image_ids=used)

    def _heard(self, request: Any) -> None:
        if self.messages_away:
            raise unavailable("messages is away.")
        self.asked.append(request)

    async def _confirm(self, request: ConfirmToken) -> Confirmed:
        role = self.roles.get(request.token)
        if role is None:
            raise Refused(Code.BAD_TOKEN, "The access token is not one of ours.")
        return Confirmed(role=role)

    def settings(self, **changed: Any) -> Settings:
        return Settings(
            **{
                "postgres_url": self.postgres.worker_url("media"),
                "nats_url": self.nats.url,
                "nats_user": "media",
                "nats_password": self.nats.passwords["media"],
                "s3_url": self.s3.url,
                "s3_bucket": self.bucket,
                "s3_access_key": self.s3.access_key,
                "s3_secret_key": self.s3.secret_key,
                "wrapping_key": f"file:{self.wrapping_key}",
                "decoders": 1,
                "uploads_per_hour": None,
                **changed,
            }
        )

    async def replica(self, **changed: Any) -> "Replica":
        """With its own engine and decoders. Its jobs run when a test runs them."""
        settings = self.settings(**changed)
        engine = make_engine(
            settings.postgres_url.get_secret_value(), application_name="test", pool_size=settings.pool_size
        )
        self._stack.push_async_callback(engine.dispose)
        parts = wire(settings, engine, self.rpc)
        await parts.objects.check()
        self._stack.callback(parts.objects.close)
        self._stack.push_async_callback(parts.decoders.stop)
        return Replica(self, parts)

    # -- looking behind

    def names(self) -> list[str]:
        """What lies in the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def bytes_of(self, name: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read())

    async def rows(self) -> list[str]:
        return [row[0] for row in await self.database.fetch("SELECT name FROM media.objects ORDER BY name")]

    async def nothing_is_left(self) -> bool:
        images = await self.database.fetchval("SELECT count(*) FROM media.images")
        return (images, await self.rows(), self.names()) == (0, [], [])

    async def pass_time(self, time: timedelta) -> None:
        """As if all that has happened had happened earlier. An attempt under way is over then."""
        for column in ("created_at", "worked_until", "due_at", "claimed_at", "released_at"):
            await self.database.execute(f"UPDATE media.images SET {column} = {column} - $1::interval", time)
        await self.database.execute("UPDATE media.leases SET until = until - $1::interval", time)

    async def state(self, image_id: UUID) -> str | None:
        found: str | None = await self.database.fetchval("SELECT state FROM media.images WHERE id = $1", image_id)
        return found


class Replica:
    """A replica, and what a gateway does with it."""

    def __init__(self, world: World, parts: Parts) -> None:
        self.world = world
        self.parts = parts
        self.jobs = parts.jobs
        self.do = parts.use_cases

    async def begin(self, owner: Actor, capacity: int) -> contract.UploadBegun:
        return await self.do.uploads.begin(contract.BeginUpload(actor=owner, capacity=capacity))

    async def finish(self, owner: Actor, begun: contract.UploadBegun, length: int) -> Image:
        return await self.do.uploads.finish(contract.FinishUpload(actor=owner, upload_id=begun.upload_id, bytes=length))

    async def abort(self, owner: Actor, upload_id: UUID, *, ours: bool = False) -> None:
        await self.do.uploads.abort(contract.AbortUpload(actor=owner, upload_id=upload_id, ours=ours))

    async def upload(self, owner: Actor, data: bytes, *, padding: int = 300) -> Image:
        """From end to end."""
        begun = await self.begin(owner, len(data) + padding)
        assert await put(begun, data, len(data) + padding) == 200
        return await self.finish(owner, begun, len(data))

    async def open(self, viewer: Actor, image_id: UUID, size: int | None = None) -> contract.OpenedImage:
        return await self.do.viewing.open(contract.OpenImage(actor=viewer, image_id=image_id, size=size))

    async def download(self, viewer: Actor, image_id: UUID, size: int | None = None) -> bytes:
        found = await self.open(viewer, image_id, size)
        return await fetched(found)

    async def claim(self, owner: Actor, room_id: UUID, *image_ids: UUID) -> list[Image]:
        claims = contract.Claims(
            claims=[contract.ClaimImages(owner_id=owner.user_id, room_id=room_id, image_ids=list(image_ids))]
        )
        return (await self.do.claims.claim(claims)).found[0]

    async def release(self, *image_ids: UUID) -> None:
        await self.do.claims.release(contract.ReleaseImages(image_ids=list(image_ids)))

    async def send(self, owner: Actor, image_id: UUID, *viewers: Actor) -> UUID:
        """A message carries the image, and these people see it. The room."""
        room_id = new_id()
        assert await self.claim(owner, room_id, image_id)
        self.world.carried[image_id] = Carried({viewer.user_id for viewer in viewers})
        return room_id


async def put(begun: contract.UploadBegun, data: bytes, capacity: int, **changed: str) -> int:
    """As a gateway does it. The answer's status."""
    sealer = Sealer(base64.b64decode(begun.key), begun.name, capacity)
    return await put_raw(begun, b"".join((sealer.update(data), *sealer.finish())), **changed)


async def put_raw(begun: contract.UploadBegun, body: bytes, **changed: str) -> int:
    request = urllib.request.Request(begun.url, data=body, method="PUT", headers={**begun.headers, **changed})
    # urllib would name one of its own otherwise, which was not signed; S3 does not mind.
    request.add_header("Content-Type", "application/octet-stream")
    try:
        return int((await asyncio.to_thread(_sent, request))[0])
    except urllib.error.HTTPError as error:
        return error.code


async def fetched(found: contract.OpenedImage) -> bytes:
    _, sealed = await asyncio.to_thread(_sent, urllib.request.Request(found.url))
    return open_sealed(base64.b64decode(found.key), found.name, found.bytes, sealed)


def _sent(request: urllib.request.Request) -> tuple[int, bytes]:
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read()


def user(role: Role = "user") -> Actor:
    """Somebody new."""
    return Actor(user_id=new_id(), session_id=new_id(), role=role)


def picture(kind: str = "PNG", size: tuple[int, int] = (400, 300)) -> bytes:
    """A file of so many pixels, the same each time."""
    grain = Picture.frombytes("L", (64, 64), random.Random(4711).randbytes(4096)).resize(size)
    file = BytesIO()
    grain.convert("RGB").save(file, kind)
    return file.getvalue()


def opened(data: bytes) -> Picture.Image:
    image = Picture.open(BytesIO(data))
    image.load()
    return image


class refused:  # noqa: N801 — reads like pytest.raises
    """The block must be answered with this refusal."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.refusal: Refused | None = None

    def __enter__(self) -> "refused":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        assert isinstance(error, Refused), error
        assert error.code == self.code, error
        self.refusal = error
        return True


class Held:
    """A method that stands still when it is called, until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self._reached, self.go_on = asyncio.Event(), asyncio.Event()
        original = getattr(owner, name)

        async def held(*arguments: object) -> object:
            self._reached.set()
            await self.go_on.wait()
            return await original(*arguments)

        monkeypatch.setattr(owner, name, held)

    async def reached_by(self, task: "asyncio.Task[Any]") -> None:
        """Until it is called; what ends without that fails here."""
        reached = asyncio.create_task(self._reached.wait())
        await asyncio.wait([reached, task], return_when=asyncio.FIRST_COMPLETED)
        if not self._reached.is_set():
            reached.cancel()
            task.result()
            pytest.fail("it came to its end without being held")
