"""A running replica of messages with everything real but auth and media, which small stand-ins answer for behind their contracts."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from parley_messages.app import run
from parley_messages.epoch import Epoch
from parley_messages.keys import RoomKeys
from parley_messages.publisher import LivePublisher
from parley_messages.retention import RetentionJob
from parley_messages.settings import Settings
from parley_messages.store import Database
from parley_messages.tail import TailCache
from parley_messages.usecases.sessions import Sessions
from parley_shared import embedded
from parley_shared.audit import new_key
from parley_shared.contracts import conversation as said
from parley_shared.contracts import messages as contract
from parley_shared.contracts import moderation
from parley_shared.contracts.base import Actor, Empty, Role
from parley_shared.contracts.erasure import ERASE_MESSAGES, Erase
from parley_shared.contracts.frames import Event
from parley_shared.crypto.wrapping import new_line
from parley_shared.db.bootstrap import bootstrap
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

from .peers import GOOD_TOKEN, Gallery, People, stand_in_for_auth, stand_in_for_media

if TYPE_CHECKING:
    # As a plugin it must be pytest that imports it first.
    from parley_shared.testing.fixtures import Nats, Postgres

pytest_plugins = ["parley_shared.testing.fixtures"]

AUDIT_KEY = new_key()
COUNTED = "test of how many statements"
_decode_event = msgspec.json.Decoder(Event).decode


@contextlib.contextmanager
def refused(code: Code) -> Iterator[Any]:
    """The block must be answered with exactly this refusal."""
    with pytest.raises(Refused) as caught:
        yield caught
    assert caught.value.code == code, caught.value


class Suite:
    """What a test speaks through: the gateway's RPC client, with a method for each thing that tests do often."""

    refused = staticmethod(refused)
    token = GOOD_TOKEN

    def __init__(
        self,
        rpc: RpcClient,
        auth: RpcClient,
        media: RpcClient,
        database: asyncpg.Pool,
        people: People,
        gallery: Gallery,
        retention: RetentionJob,
    ) -> None:
        self.rpc = rpc
        self.auth = auth
        self.media = media
        self.gallery = gallery
        self.retention = retention
        self.database = database
        self.unknown = people.unknown
        self.names = people.names
        self.receipts_off = people.receipts_off
        self.roles = people.roles

    def user(self, role: Role = "user") -> Actor:
        """Somebody new, whom auth knows."""
        actor = Actor(user_id=new_id(), session_id=new_id(), role=role)
        self.roles[actor.user_id] = role
        return actor

    async def room(self, owner: Actor, *members: Actor, **settings: Any) -> contract.MyRoom:
        """A room of the owner's (public unless `settings` say otherwise) with these members added."""
        settings = {"name": "A room", "visibility": "public", **settings}
        answer = await self.rpc.call(contract.CREATE_ROOM, contract.CreateRoom(actor=owner, **settings))
        assert answer.room is not None
        for member in members:
            await self.add(owner, answer.room.id, member)
        return answer.room

    async def add(self, actor: Actor, room_id: UUID, member: Actor, role: Any = "member") -> contract.Member:
        return await self.rpc.call(
            contract.ADD_MEMBER, contract.AddMember(actor=actor, room_id=room_id, user_id=member.user_id, role=role)
        )

    async def remove(self, actor: Actor, room_id: UUID, member: Actor, reason: str | None = None) -> None:
        await self.rpc.call(
            contract.REMOVE_MEMBER,
            contract.RemoveMember(actor=actor, room_id=room_id, user_id=member.user_id, reason=reason),
        )

    async def mute(
        self, actor: Actor, room_id: UUID, target: Actor, minutes: int | None = None, reason: str | None = None
    ) -> moderation.Sanction:
        return await self.rpc.call(
            moderation.MUTE,
            moderation.Impose(actor=actor, room_id=room_id, user_id=target.user_id, minutes=minutes, reason=reason),
        )

    async def unmute(self, actor: Actor, room_id: UUID, target: Actor) -> None:
        request = moderation.Lift(actor=actor, room_id=room_id, user_id=target.user_id)
        await self.rpc.call(moderation.UNMUTE, request)

    async def ban(
        self, actor: Actor, room_id: UUID, target: Actor, minutes: int | None = None, reason: str | None = None
    ) -> moderation.Sanction:
        return await self.rpc.call(
            moderation.BAN,
            moderation.Impose(actor=actor, room_id=room_id, user_id=target.user_id, minutes=minutes, reason=reason),
        )

    async def unban(self, actor: Actor, room_id: UUID, target: Actor) -> None:
        request = moderation.Lift(actor=actor, room_id=room_id, user_id=target.user_id)
        await self.rpc.call(moderation.UNBAN, request)

    async def report(self, actor: Actor, room_id: UUID, message_id: UUID, reason: str = "Spam") -> moderation.Reported:
        return await self.rpc.call(
            moderation.REPORT_MESSAGE,
            moderation.ReportMessage(actor=actor, room_id=room_id, message_id=message_id, reason=reason),
        )

    async def erase(self, actor: Actor) -> dict[str, int]:
        """To the end, as auth does it. What was erased."""
        self.unknown.add(actor.user_id)
        while True:
            answer = await self.auth.call(ERASE_MESSAGES, Erase(user_id=actor.user_id, saga_id=actor.session_id))
            if answer.done:
                return answer.counts

    async def expire(self, room_id: UUID) -> None:
        """As if everything were older than the room keeps it."""
        keep = "UPDATE messages.rooms SET retention_days = $2 WHERE id = $1"
        await self.database.execute(keep, room_id, 0)
        await self.retention.forget_some(room_id, 0)
        await self.database.execute(keep, room_id, None)

    async def grant(
        self, actor: Actor, room_id: UUID, minutes: int = 10, reason: str = "A complaint", token: str = GOOD_TOKEN
    ) -> moderation.AccessGrant:
        return await self.rpc.call(
            moderation.GRANT_ACCESS,
            moderation.GrantAccess(actor=actor, token=token, room_id=room_id, reason=reason, minutes=minutes),
        )

    async def join(self, actor: Actor, room_id: UUID) -> contract.MyRoom:
        answer = await self.rpc.call(contract.JOIN, contract.RoomRequest(actor=actor, room_id=room_id))
        assert answer.room is not None
        return answer.room

    async def leave(self, actor: Actor, room_id: UUID) -> None:
        await self.rpc.call(contract.LEAVE, contract.RoomRequest(actor=actor, room_id=room_id))

    async def get(self, actor: Actor, room_id: UUID) -> contract.RoomAnswer:
        return await self.rpc.call(contract.GET_ROOM, contract.RoomRequest(actor=actor, room_id=room_id))

    async def mine(self, actor: Actor, room_id: UUID) -> contract.MyRoom:
        answer = await self.get(actor, room_id)
        assert answer.room is not None
        return answer.room

    async def update(self, actor: Actor, room_id: UUID, rev: int, **settings: Any) -> contract.RoomAnswer:
        return await self.rpc.call(
            contract.UPDATE_ROOM, contract.UpdateRoom(actor=actor, room_id=room_id, rev=rev, **settings)
        )

    async def set_role(self, actor: Actor, room_id: UUID, member: Actor, role: Any) -> contract.Member:
        return await self.rpc.call(
            contract.UPDATE_MEMBER,
            contract.UpdateMember(actor=actor, room_id=room_id, user_id=member.user_id, role=role),
        )

    async def delete(self, actor: Actor, room_id: UUID) -> None:
        await self.rpc.call(contract.DELETE_ROOM, contract.RoomRequest(actor=actor, room_id=room_id))

    async def restore(self, actor: Actor, room_id: UUID) -> contract.MyRoom:
        answer = await self.rpc.call(contract.RESTORE_ROOM, contract.RoomRequest(actor=actor, room_id=room_id))
        assert answer.room is not None
        return answer.room

    async def direct(self, actor: Actor, *others: Actor) -> contract.RoomAnswer:
        return await self.rpc.call(
            contract.CREATE_DIRECT,
            contract.CreateDirect(actor=actor, user_ids=[other.user_id for other in others]),
        )

    async def members(self, actor: Actor, room_id: UUID, **page: Any) -> contract.Members:
        return await self.rpc.call(contract.LIST_MEMBERS, contract.ListMembers(actor=actor, room_id=room_id, **page))

    async def try_send(self, *sends: contract.Send) -> list[contract.Accepted | contract.NotAccepted]:
        return (await self.rpc.call(contract.SEND_MANY, contract.SendMany(sends=list(sends)))).outcomes

    def message(self, actor: Actor, room_id: UUID, body: str = "Hello", **fields: Any) -> contract.Send:
        fields = {"client_msg_id": str(new_id()), **fields}
        return contract.Send(actor=actor, room_id=room_id, body=body, **fields)

    async def send(self, actor: Actor, room_id: UUID, *bodies: str, **fields: Any) -> list[contract.Accepted]:
        """All must be accepted."""
        sends = [self.message(actor, room_id, body, **fields) for body in bodies or ("Hello",)]
        accepted = []
        for outcome in await self.try_send(*sends):
            assert isinstance(outcome, contract.Accepted), outcome
            accepted.append(outcome)
        return accepted

    async def page(self, actor: Actor, room_id: UUID, **where: Any) -> contract.Messages:
        return await self.rpc.call(contract.PAGE, contract.Page(actor=actor, room_id=room_id, **where))

    async def message_of(self, actor: Actor, room_id: UUID, message_id: UUID) -> contract.Message:
        return await self.rpc.call(
            contract.GET_MESSAGE, contract.MessageRequest(actor=actor, room_id=room_id, message_id=message_id)
        )

    def of(self, actor: Actor, message: contract.Message | contract.Accepted, room_id: UUID) -> dict[str, Any]:
        """The fields of every request about one message."""
        message_id = message.message_id if isinstance(message, contract.Accepted) else message.id
        return {"actor": actor, "room_id": room_id, "message_id": message_id}

    async def edit(self, actor: Actor, room_id: UUID, message: Any, rev: int, body: str) -> contract.Message:
        request = said.EditMessage(**self.of(actor, message, room_id), rev=rev, body=body)
        return await self.rpc.call(said.EDIT_MESSAGE, request)

    async def delete_message(self, actor: Actor, room_id: UUID, message: Any, reason: str | None = None) -> None:
        request = said.DeleteMessage(**self.of(actor, message, room_id), reason=reason)
        await self.rpc.call(said.DELETE_MESSAGE, request)

    async def react(self, actor: Actor, room_id: UUID, message: Any, reaction: str) -> None:
        await self.rpc.call(said.ADD_REACTION, said.ReactTo(**self.of(actor, message, room_id), reaction=reaction))

    async def unreact(self, actor: Actor, room_id: UUID, message: Any, reaction: str) -> None:
        await self.rpc.call(said.REMOVE_REACTION, said.ReactTo(**self.of(actor, message, room_id), reaction=reaction))

    async def pin(self, actor: Actor, room_id: UUID, message: Any) -> None:
        await self.rpc.call(said.PIN_MESSAGE, contract.MessageRequest(**self.of(actor, message, room_id)))

    async def unpin(self, actor: Actor, room_id: UUID, message: Any) -> None:
        await self.rpc.call(said.UNPIN_MESSAGE, contract.MessageRequest(**self.of(actor, message, room_id)))

    async def pins(self, actor: Actor, room_id: UUID, **page: Any) -> contract.Messages:
        return await self.rpc.call(said.LIST_PINS, said.ListPins(actor=actor, room_id=room_id, **page))

    async def revisions(self, actor: Actor, room_id: UUID, message: Any, **page: Any) -> said.Revisions:
        request = said.ListRevisions(**self.of(actor, message, room_id), **page)
        return await self.rpc.call(said.LIST_REVISIONS, request)

    async def thread(self, actor: Actor, room_id: UUID, message: Any, **page: Any) -> said.Thread:
        return await self.rpc.call(said.GET_THREAD, said.GetThread(**self.of(actor, message, room_id), **page))

    async def follow(self, actor: Actor, room_id: UUID, message: Any) -> None:
        await self.rpc.call(said.FOLLOW_THREAD, contract.MessageRequest(**self.of(actor, message, room_id)))

    async def unfollow(self, actor: Actor, room_id: UUID, message: Any) -> None:
        await self.rpc.call(said.UNFOLLOW_THREAD, contract.MessageRequest(**self.of(actor, message, room_id)))

    async def status(self, actor: Actor, room_id: UUID, message: Any) -> said.MessageStatus:
        return await self.rpc.call(said.MESSAGE_STATUS, contract.MessageRequest(**self.of(actor, message, room_id)))

    async def events(self, actor: Actor, room_id: UUID, after: int = 0, limit: int = 200) -> list[Event]:
        answer = await self.rpc.call(
            contract.ROOM_EVENTS, contract.RoomEvents(actor=actor, room_id=room_id, after=after, limit=limit)
        )
        return [_decode_event(frame) for frame in answer.items]

    async def own_events(self, actor: Actor, after: int = 0) -> list[Event]:
        answer = await self.rpc.call(contract.USER_EVENTS, contract.UserEvents(actor=actor, after=after, limit=200))
        return [_decode_event(frame) for frame in answer.items]

    async def read(self, actor: Actor, room_id: UUID, seq: int) -> contract.ReadState:
        return await self.rpc.call(contract.MARK_READ, contract.MarkRead(actor=actor, room_id=room_id, seq=seq))

    async def open(self, actor: Actor, resume: contract.ResumeFrom | None = None) -> contract.SessionOpened:
        return await self.rpc.call(contract.OPEN_SESSION, contract.OpenSession(actor=actor, resume=resume))

    async def hub_range(self, stream: str, after: int = 0) -> contract.HubEvents:
        return await self.rpc.call(contract.HUB_RANGE, contract.HubRange(stream=stream, after=after))

    @staticmethod
    def decode(frame: msgspec.Raw | bytes) -> Event:
        return _decode_event(bytes(frame))

    @staticmethod
    def kinds(events: list[Event]) -> list[str]:
        """As they stand in the frames."""
        return [str(type(event.event).__struct_config__.tag) for event in events]


@pytest.fixture(scope="session")
def audit_key() -> str:
    """What the suite's exports are signed with."""
    return AUDIT_KEY


@pytest.fixture(scope="session")
def people() -> People:
    return People()


@pytest_asyncio.fixture(scope="session")
async def auth(nats: "Nats", people: People) -> AsyncIterator[RpcClient]:
    async with stand_in_for_auth(nats, people) as rpc:
        yield rpc


@pytest.fixture(scope="session")
def gallery() -> Gallery:
    return Gallery()


@pytest_asyncio.fixture(scope="session")
async def media(nats: "Nats", gallery: Gallery) -> AsyncIterator[RpcClient]:
    async with stand_in_for_media(nats, gallery) as rpc:
        yield rpc


@pytest.fixture(scope="session")
def wrapping_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that seals the rooms of these tests."""
    path = tmp_path_factory.mktemp("secrets") / "wrapping-key"
    path.write_text(new_line())
    return path


Replica = Callable[..., Awaitable[asyncio.Event]]


@contextlib.asynccontextmanager
async def replica(postgres: "Postgres", nats: "Nats", key_file: Path, **settings: Any) -> AsyncIterator[None]:
    """One process's worth of messages, until the block ends."""
    stop = asyncio.Event()
    task = asyncio.create_task(
        run(
            Settings(
                **{
                    "postgres_url": await postgres.migrated("messages"),
                    "nats_url": nats.url,
                    "nats_user": "messages",
                    "nats_password": nats.passwords["messages"],
                    "rate_limit_user": None,
                    # One role is limited, so that the limit can be tested beside everything else.
                    "rate_limit_moderator": 10,
                    "rate_limit_admin": None,
                    "heads_seconds": 0.5,
                    "audit_key": AUDIT_KEY,
                    "wrapping_key": f"file:{key_file}",
                    **settings,
                },
            ),
            stop,
        )
    )
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


@pytest.fixture(scope="session")
def start_replica(postgres: "Postgres", nats: "Nats", wrapping_key: Path, gateway: RpcClient) -> Any:
    """`async with start_replica(**settings)`: a further replica of the same suite, once calls have reached it."""

    @contextlib.asynccontextmanager
    async def start(instance: str = "further", **settings: Any) -> AsyncIterator[None]:
        async with replica(postgres, nats, wrapping_key, instance=instance, **settings):
            async with asyncio.timeout(15):
                while instance not in {(await gateway.call(contract.READY, Empty())).instance for _ in range(12)}:
                    await asyncio.sleep(0.05)
            yield

    return start


async def _until_ready(rpc: RpcClient) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                answer = await rpc.call(contract.READY, Empty())
            except Refused:
                await asyncio.sleep(0.05)
                continue
            if answer.ready:
                return
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="session")
async def gateway(nats: "Nats") -> AsyncIterator[RpcClient]:
    """The only one who may call the verbs of users."""
    bus = nats.bus("gateway")
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    yield rpc
    await bus.close()


@pytest_asyncio.fixture(scope="session")
async def admin_pool(postgres: "Postgres") -> AsyncIterator[asyncpg.Pool]:
    """A superuser's connections, to look and to prepare what only time would bring."""
    await postgres.migrated("messages")
    pool = await asyncpg.create_pool(postgres.admin_url, min_size=1, max_size=4)
    yield pool
    pool.terminate()


@pytest_asyncio.fixture(scope="session")
async def retention(postgres: "Postgres", nats: "Nats") -> AsyncIterator[RetentionJob]:
    """With connections of its own, as if it ran in another replica."""
    bus = nats.bus("messages")
    await bus.connect()
    database = await Database.connect(
        await postgres.migrated("messages"),
        application_name="retention",
        size=2,
        on_connect=Epoch().check,
        keys=RoomKeys(None),
    )
    yield RetentionJob(database, LivePublisher(bus, TailCache()), lambda: None, f"test {new_id()}")
    await database.close()
    await bus.close()


@pytest_asyncio.fixture(scope="session")
async def suite(
    postgres: "Postgres",
    nats: "Nats",
    auth: RpcClient,
    gateway: RpcClient,
    admin_pool: asyncpg.Pool,
    people: People,
    media: RpcClient,
    gallery: Gallery,
    wrapping_key: Path,
    retention: RetentionJob,
) -> AsyncIterator[Suite]:
    """One replica that runs for all tests of this process; of the global roles only moderators have a rate limit."""
    async with replica(postgres, nats, wrapping_key):
        await _until_ready(gateway)
        yield Suite(gateway, auth, media, admin_pool, people, gallery, retention)


@pytest_asyncio.fixture
async def quiet(postgres: "Postgres") -> "Postgres":
    """A fresh database of the same server, migrated, on which nothing runs: for jobs, which would meet those of the replica."""
    from parley_shared.testing.fixtures import Postgres as Server

    name = f"quiet_{new_id().hex[-12:]}"
    await embedded.make_database(postgres.admin_url, name)
    url = urlunsplit(urlsplit(postgres.admin_url)._replace(path=f"/{name}"))
    await bootstrap(url, postgres.passwords)
    server = Server(url, postgres.passwords)
    await server.migrated("messages")
    return server


@pytest_asyncio.fixture
async def messages_bus(nats: "Nats") -> AsyncIterator[Bus]:
    """A connection with the rights of messages."""
    bus = nats.bus("messages")
    await bus.connect()
    yield bus
    await bus.close()


@pytest.fixture
def same_but_for() -> Callable[[Refused, Refused, UUID, UUID], bool]:
    """Whether two refusals differ in nothing but the ids that were asked for."""

    def compare(one: Refused, other: Refused, one_id: UUID, other_id: UUID) -> bool:
        def plain(refusal: Refused, identifier: UUID) -> str:
            return re.sub(str(identifier), "ID", repr((refusal.code, refusal.detail, refusal.errors, refusal.current)))

        return plain(one, one_id) == plain(other, other_id)

    return compare


@pytest_asyncio.fixture
async def sessions(postgres: "Postgres", suite: Suite) -> AsyncIterator[Sessions]:
    """The use cases of sessions on connections of their own, so that their statements can be told from everybody else's."""
    epoch = Epoch()
    database = await Database.connect(
        await postgres.migrated("messages"),
        application_name=COUNTED,
        size=1,
        on_connect=epoch.check,
        keys=RoomKeys(None),
    )
    yield Sessions(database, epoch, TailCache())
    await database.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that `sessions` sends, in order; BEGIN and COMMIT are not among them."""
    seen: list[str] = []
    original = asyncpg.Connection._do_execute

    async def counting(self: Any, query: str, *args: Any, **options: Any) -> Any:
        if self._params.server_settings["application_name"] == COUNTED:
            seen.append(query)
        return await original(self, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "_do_execute", counting)
    return seen
