"""Replicas of search on a real PostgreSQL, NATS and JetStream, and stand-ins for messages and auth behind their contracts."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StreamConfig

from parley_search.app import Parts, Pools, pools, wire
from parley_search.settings import Settings
from parley_shared.contracts import indexing as contract
from parley_shared.contracts.auth import CONFIRM_TOKEN, RESOLVE_NAMES, Confirmed, ConfirmToken, NamedUsers, UserNames
from parley_shared.contracts.base import Actor, Role
from parley_shared.contracts.live import Advanced
from parley_shared.contracts.search import Hits, Search
from parley_shared.errors import Code, Refused
from parley_shared.ids import event_bucket, new_id, room_stream
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.permissions import EVENT_STREAM
from parley_shared.messaging.rpc import RpcClient, RpcServer
from parley_shared.testing.fixtures import Nats, Postgres

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Message:
    id: UUID
    seq: int
    sender_id: UUID
    created_at: datetime
    body: str | None
    has_image: bool = False
    rev: int = 1

    @property
    def entry(self) -> contract.IndexEntry:
        return contract.IndexEntry(
            message_id=self.id,
            seq=self.seq,
            rev=self.rev,
            sender_id=self.sender_id,
            created_at=self.created_at,
            body=self.body,
            format="markdown",
            has_image=self.has_image,
        )


@dataclass
class Room:
    """log: (kind, message) by seq, from 1 on. floor: events up to it are forgotten. name: None of a direct room. members: the
    intervals of each, None for the whole history."""

    id: UUID = field(default_factory=new_id)
    name: str | None = "A room"
    language: str = "english"
    log: list[tuple[str, UUID | None]] = field(default_factory=list)
    messages: dict[UUID, Message] = field(default_factory=dict)
    floor: int = 0
    searchable: bool = True
    members: dict[UUID, list[tuple[int, int | None]] | None] = field(default_factory=dict)

    @property
    def head(self) -> int:
        return len(self.log)

    def add(self, kind: str, message_id: UUID | None = None) -> int:
        self.log.append((kind, message_id))
        return self.head


class Chat:
    """What messages knows, in memory. page: entries in an answer; wants: parts in it. asked: every question about ranges.
    broken: rooms about which it fails. gate: answers about ranges are ready, and do not go out before it opens."""

    def __init__(self) -> None:
        self.epoch = "epoch-1"
        self.rooms: dict[UUID, Room] = {}
        self.people: dict[str, UUID] = {}
        self.page = 1_000
        self.wants = 1_000
        self.asked: list[contract.IndexWant] = []
        self.broken: set[UUID] = set()
        self.away = False
        self.gate: asyncio.Event | None = None
        self.answer_ranges = self.index_ranges
        self._clock = START

    def room(self, *members: UUID, **settings: Any) -> Room:
        room = Room(**settings)
        room.members |= dict.fromkeys(members)
        self.rooms[room.id] = room
        room.add("member.joined")
        return room

    def tick(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock

    def send(self, room: Room, body: str, sender: UUID | None = None, **fields: Any) -> Message:
        message = Message(
            new_id(), room.head + 1, sender or new_id(), fields.pop("at", None) or self.tick(), body, **fields
        )
        room.messages[message.id] = message
        room.add("message.created", message.id)
        return message

    def edit(self, room: Room, message: Message, body: str) -> None:
        message.body, message.rev = body, message.rev + 1
        room.add("message.edited", message.id)

    def delete(self, room: Room, message: Message) -> None:
        message.body, message.rev = None, message.rev + 1
        room.add("message.deleted", message.id)

    def speak(self, room: Room, language: str) -> None:
        room.language = language
        room.add("room.updated")

    def advanced(self, room: Room, since: int, upto: int | None = None) -> Advanced:
        """The event that tells of these seqs."""
        upto = room.head if upto is None else upto
        kinds = sorted({kind for kind, _ in room.log[since - 1 : upto]})
        return Advanced(epoch=self.epoch, stream=room_stream(room.id), from_seq=since, to_seq=upto, kinds=kinds)

    # -- the contracts

    async def index_rooms(self, request: contract.IndexRooms) -> contract.IndexedRooms:
        self._available()
        ids = sorted(self.rooms) if request.room_ids is None else request.room_ids
        if request.room_ids is None:
            ids = [room_id for room_id in ids if request.after is None or room_id > request.after]
        more = request.room_ids is None and len(ids) > request.limit
        ids = ids[: request.limit] if request.room_ids is None else ids
        rooms = [self.rooms[room_id] for room_id in ids if room_id in self.rooms]
        return contract.IndexedRooms(
            epoch=self.epoch,
            rooms=[
                contract.IndexedRoom(
                    room_id=room.id,
                    head=room.head,
                    floor=room.floor,
                    language=room.language,
                    searchable=room.searchable,
                )
                for room in rooms
            ],
            missing=[room_id for room_id in ids if room_id not in self.rooms],
            next=ids[-1] if more else None,
        )

    async def index_ranges(self, request: contract.IndexRanges) -> contract.IndexRangesAnswer:
        self._available()
        self.asked += request.wants
        if any(want.room_id in self.broken for want in request.wants):
            raise Refused(Code.INTERNAL, "Something went wrong on our side; it has been logged.")
        left = self.page
        parts: list[contract.IndexPart] = []
        for want in request.wants[: self.wants]:
            if left <= 0:
                break
            parts.append(self.part(want, left))
            left -= len(parts[-1].entries)
        answer = contract.IndexRangesAnswer(epoch=self.epoch, parts=parts)
        if self.gate is not None:
            await self.gate.wait()
        return answer

    def part(self, want: contract.IndexWant, most: int) -> contract.IndexPart:
        room = self.rooms.get(want.room_id)
        if room is None or not room.searchable:
            return contract.IndexPart(
                room_id=want.room_id, entries=[], upto=0, head=0, complete=True, language="english", gone=True
            )
        if want.kind == "log":
            lost = want.after < room.floor
            upto, entries = want.after, []
            for seq in range(want.after + 1, 0 if lost else room.head + 1):
                if len(entries) == most:
                    break
                upto = seq
                kind, message_id = room.log[seq - 1]
                if message_id is not None and kind.startswith("message."):
                    entries.append(room.messages[message_id].entry)
            complete = upto >= room.head and not lost
        else:
            lost = False
            later = sorted(
                (item for item in room.messages.values() if item.seq > want.after), key=lambda item: item.seq
            )
            entries = [item.entry for item in later[:most]]
            upto = entries[-1].seq if entries else want.after
            complete = len(later) <= most
        return contract.IndexPart(
            room_id=room.id,
            entries=entries,
            upto=upto,
            head=room.head,
            complete=complete,
            language=room.language,
            lost=lost,
        )

    async def search_scope(self, request: contract.SearchScope) -> contract.SearchScopeAnswer:
        self._available()
        rooms = [
            contract.ScopeRoom(
                room_id=room.id,
                name=room.name,
                intervals=room.members[request.viewer_id],
                language=room.language,
            )
            for room_id, room in sorted(self.rooms.items())
            if request.viewer_id in room.members
            and room.searchable
            and request.room_id in (None, room_id)
            and (request.after is None or room_id > request.after)
        ]
        # By threes, so that every test of more than three rooms turns pages.
        return contract.SearchScopeAnswer(rooms=rooms[:3], next=rooms[2].room_id if len(rooms) > 3 else None)

    def _available(self) -> None:
        if self.away:
            raise Refused(Code.UNAVAILABLE, "messages cannot reach its database; try again.", retry_after_ms=1000)


class World:
    """As many replicas as a test wants, on one database."""

    def __init__(self, postgres: Postgres, nats: Nats) -> None:
        self.postgres = postgres
        self.nats = nats
        self.chat = Chat()
        self.roles: dict[str, Role] = {"boss": "admin", "mod": "moderator"}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.database = await asyncpg.connect(self.postgres.owner_url("search"))
        self._stack.push_async_callback(self.database.close)
        await self.database.execute("TRUNCATE search.rooms, search.messages")
        await self.database.execute(
            "UPDATE search.meta SET epoch = '', analysis = 0, rebuilding = NULL, swept_at = '-infinity'"
        )
        self.messages = await self._connected("messages")
        server = RpcServer(self.messages, service="messages", version="0.0.0", outage=lambda _error: False)
        server.serve(contract.INDEX_ROOMS, self.chat.index_rooms)
        server.serve(contract.INDEX_RANGES, lambda request: self.chat.answer_ranges(request))
        server.serve(contract.SEARCH_SCOPE, self.chat.search_scope)
        await self._serve(server)
        server = RpcServer(await self._connected("auth"), service="auth", version="0.0.0", outage=lambda _error: False)
        server.serve(RESOLVE_NAMES, self._resolve)
        server.serve(CONFIRM_TOKEN, self._confirm)
        await self._serve(server)
        self._operator = await self._connected("operator")
        self.bus = await self._connected("search")
        self.rpc = RpcClient(self.bus)
        await self.rpc.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self, server: RpcServer) -> None:
        await server.start()
        self._stack.push_async_callback(server.stop)

    async def _connected(self, name: str) -> Bus:
        bus = self.nats.bus(name)
        await bus.connect()
        self._stack.push_async_callback(bus.close)
        return bus

    async def _resolve(self, request: UserNames) -> NamedUsers:
        return NamedUsers(ids={name: self.chat.people[name] for name in request.names if name in self.chat.people})

    async def _confirm(self, request: ConfirmToken) -> Confirmed:
        role = self.roles.get(request.token)
        if role is None:
            raise Refused(Code.BAD_TOKEN, "The access token is not one of ours.")
        return Confirmed(role=role)

    def settings(self, **changed: Any) -> Settings:
        return Settings(
            **{
                "postgres_url": self.postgres.worker_url("search"),
                "nats_url": self.nats.url,
                "nats_user": "search",
                "nats_password": self.nats.passwords["search"],
                **changed,
            }
        )

    async def replica(self, **changed: Any) -> Parts:
        """With its own pools. Its jobs run when a test runs them."""
        settings = self.settings(**changed)
        connections: Pools = await self._stack.enter_async_context(pools(settings))
        return wire(settings, connections, self.bus, self.rpc)

    # -- JetStream

    async def make_stream(self) -> None:
        """As messages does."""
        await self.messages.client.jetstream().add_stream(
            StreamConfig(name=EVENT_STREAM, subjects=["parley.evt.messages.v1.>"], retention=RetentionPolicy.LIMITS)
        )

    def operator(self) -> JetStreamContext:
        """May delete what it likes."""
        return self._operator.client.jetstream()

    async def publish(self, *events: Advanced) -> None:
        jetstream = self.messages.client.jetstream()
        for event in events:
            bucket = event_bucket(UUID(event.stream.partition(":")[2]))
            await jetstream.publish(
                f"parley.evt.messages.v1.advanced.{bucket}", msgspec.json.encode(event), stream=EVENT_STREAM
            )


# -- what a test does often


def actor(user_id: UUID, role: Role = "user") -> Actor:
    return Actor(user_id=user_id, session_id=new_id(), role=role)


async def search(parts: Parts, viewer: UUID, q: str = "", **fields: Any) -> Hits:
    return await parts.use_cases.searching.search(Search(actor=actor(viewer), q=q, **fields))


async def found(parts: Parts, viewer: UUID, q: str = "", **fields: Any) -> list[UUID]:
    """The messages of all pages."""
    ids: list[UUID] = []
    cursor = None
    while True:
        page = await search(parts, viewer, q, cursor=cursor, **fields)
        ids += [item.message_id for item in page.items]
        cursor = page.next
        if cursor is None:
            return ids


async def settle(parts: Parts) -> None:
    """Compare, and do whatever is left to do."""
    await parts.comparing.compare()
    while await parts.indexing.forget() or await parts.indexing.page():
        pass
    await parts.rebuilding.finish()


async def until_found(parts: Parts, viewer: UUID, q: str, *messages: UUID) -> None:
    """Exactly these, the newest first."""
    async with asyncio.timeout(60):
        while await found(parts, viewer, q) != list(messages):
            await asyncio.sleep(0.02)
