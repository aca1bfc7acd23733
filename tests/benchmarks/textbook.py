"""The textbook variant: the same chat, written as the tutorials of its libraries do. It is measured, never shipped.

A gateway (FastAPI's WebSocket route, pydantic models, `send_json` to each member) and a service (SQLAlchemy's ORM, a session
and a commit per message), both on FastStream, with a request over NATS between them and one publish per message. It keeps what a client of the suite
sees of a send: only members may, a retry gets the message that is there, and a room counts its messages without holes. The rest
it leaves out: log, outbox, rate limit, replay, tokens. It has no mistake that a reviewer would strike out: it pools connections,
serves requests concurrently, and looks up by primary key or index.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

import uvicorn
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from faststream.nats import NatsBroker
from faststream.security import SASLPlaintext
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, DateTime, MetaData, Text, UniqueConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

SCHEMA = "textbook"
ENVIRONMENT = "PARLEY_TEXTBOOK"


class Place(BaseModel):
    """Where its servers are; it comes as JSON in the environment, since it holds passwords."""

    postgres_url: str
    nats_url: str
    nats_user: str
    nats_password: str


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class Member(Base):
    __tablename__ = "members"
    room_id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True, index=True)


class Room(Base):
    __tablename__ = "rooms"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    head: Mapped[int] = mapped_column(BigInteger, default=0)


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("room_id", "sender_id", "client_msg_id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    room_id: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[str] = mapped_column(Text)
    client_msg_id: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Auth(BaseModel):
    type: Literal["auth"]
    token: str


class Send(BaseModel):
    type: Literal["send"]
    id: int
    client_msg_id: str = Field(min_length=1, max_length=64)
    room_id: str
    body: str = Field(min_length=1, max_length=8000)


class SendMessage(BaseModel):
    sender_id: str
    room_id: str
    client_msg_id: str
    body: str


class MessageView(BaseModel):
    id: int
    room_id: str
    seq: int
    sender_id: str
    client_msg_id: str
    body: str
    created_at: datetime


class Rooms(BaseModel):
    room_ids: list[str]


class Refusal(BaseModel):
    code: str


def async_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


async def prepare(postgres_url: str, rooms: list[tuple[str, list[str]]]) -> None:
    """Make its schema, with these rooms and members."""
    engine = create_async_engine(async_url(postgres_url))
    async with engine.begin() as connection:
        await connection.execute(DropSchema(SCHEMA, cascade=True, if_exists=True))
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add_all(Room(id=room) for room, _ in rooms)
        session.add_all(Member(room_id=room, user_id=user) for room, users in rooms for user in users)
        await session.commit()
    await engine.dispose()


async def remove(postgres_url: str) -> None:
    engine = create_async_engine(async_url(postgres_url))
    async with engine.begin() as connection:
        await connection.execute(DropSchema(SCHEMA, cascade=True, if_exists=True))
    await engine.dispose()


def make_broker(place: Place) -> NatsBroker:
    security = SASLPlaintext(username=place.nats_user, password=place.nats_password)
    return NatsBroker(place.nats_url, security=security, logger=None)


# -- the service


def make_service(broker: NatsBroker, engine: AsyncEngine) -> None:
    """Its two consumers. Sixty-four requests at a time; the default is one after the other."""
    session_of = async_sessionmaker(engine, expire_on_commit=False)

    @broker.subscriber("textbook.send", queue="service", max_workers=64)
    async def send(command: SendMessage) -> MessageView | Refusal:
        async with session_of() as session:
            if await session.get(Member, (command.room_id, command.sender_id)) is None:
                return Refusal(code="not_a_member")
            room = await session.get_one(Room, command.room_id, with_for_update=True)
            message = await session.scalar(
                select(Message).where(
                    Message.room_id == command.room_id,
                    Message.sender_id == command.sender_id,
                    Message.client_msg_id == command.client_msg_id,
                )
            )
            if message is None:
                room.head += 1
                message = Message(**command.model_dump(), seq=room.head)
                session.add(message)
            await session.commit()
        view = MessageView.model_validate(message, from_attributes=True)
        await broker.publish(view, f"textbook.live.{command.room_id}")
        return view

    @broker.subscriber("textbook.rooms", queue="service", max_workers=64)
    async def rooms(user: str) -> Rooms:
        async with session_of() as session:
            found = await session.scalars(select(Member.room_id).where(Member.user_id == user))
            return Rooms(room_ids=list(found))


async def serve(place: Place) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = create_async_engine(async_url(place.postgres_url), pool_size=20)
    async with make_broker(place) as broker:
        make_service(broker, engine)
        await broker.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()
    await engine.dispose()


# -- the gateway


def make_app(place: Place) -> FastAPI:
    rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)
    broker = make_broker(place)

    @broker.subscriber("textbook.live.*")
    async def deliver(message: MessageView) -> None:
        event = {"type": "event", "event": {"kind": "message.created", "message": message.model_dump(mode="json")}}
        for socket in list(rooms[message.room_id]):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_json(event)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await broker.start()
        yield
        await broker.stop()

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"type": "hello"})
        user = Auth.model_validate(await socket.receive_json()).token
        answer = await broker.request(user, "textbook.rooms", timeout=10)
        mine = Rooms.model_validate_json(answer.body).room_ids
        for room in mine:
            rooms[room].add(socket)
        await socket.send_json({"type": "live"})
        try:
            while True:
                frame = Send.model_validate(await socket.receive_json())
                command = SendMessage(
                    sender_id=user, room_id=frame.room_id, client_msg_id=frame.client_msg_id, body=frame.body
                )
                answer = await broker.request(command, "textbook.send", timeout=30)
                message = MessageView.model_validate_json(answer.body)
                await socket.send_json({"type": "ack", "id": frame.id, "message": message.model_dump(mode="json")})
        except WebSocketDisconnect:
            pass
        finally:
            for room in mine:
                rooms[room].discard(socket)

    return app


def main() -> None:
    """`python -m tests.benchmarks.textbook service` or `… gateway PORT`."""
    place = Place.model_validate_json(os.environ[ENVIRONMENT])
    if sys.argv[1] == "service":
        uvloop.run(serve(place))
        return
    uvicorn.run(
        make_app(place),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        backlog=4096,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
