"""Parley's tables as SQLAlchemy models: users, rooms, members, messages, and the questions one would ask first.

    make run                                                # in one terminal
    .venv/bin/python examples/database/chat_models.py       # in another; it finds the database by $PARLEY_HOME/run.json,
                                                            # or takes its address: chat_models.py postgresql://…

It reads, and cannot do anything else: its transactions are read only. Each schema belongs to one service (users to auth, the
rest to messages), whose role sees no other; so this is for an operator's eyes, with the owner's account. A program asks the
gateway instead, which knows who may see what: nothing here does.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship, selectinload


class Base(DeclarativeBase):
    """Only the columns that the questions need; the tables have more (services/*/src/*/tables.py)."""


class User(Base):
    """auth.users: erased ones stay as a row without a name, since they have written things."""

    __tablename__ = "users"
    __table_args__ = {"schema": "auth"}  # noqa: RUF012 — SQLAlchemy's own form

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    display_name: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Room(Base):
    """messages.rooms: head is the newest seq of its log, n the number of its top-level messages."""

    __tablename__ = "rooms"
    __table_args__ = {"schema": "messages"}  # noqa: RUF012

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    visibility: Mapped[str]
    history: Mapped[str]
    head: Mapped[int]
    n: Mapped[int]
    member_count: Mapped[int]
    last_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    members: Mapped[list["Member"]] = relationship(viewonly=True, order_by="Member.from_seq")


class Member(Base):
    """messages.members: an interval [from_seq, to_seq) of the room's log; the open one is today's membership."""

    __tablename__ = "members"
    __table_args__ = {"schema": "messages"}  # noqa: RUF012

    room_id: Mapped[UUID] = mapped_column(ForeignKey("messages.rooms.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id"), primary_key=True)
    from_seq: Mapped[int] = mapped_column(primary_key=True)
    to_seq: Mapped[int | None]
    role: Mapped[str]
    joined_at: Mapped[datetime]

    user: Mapped[User] = relationship(viewonly=True)


class Message(Base):
    """messages.messages: what a message is; its text is in the revision that `rev` names."""

    __tablename__ = "messages"
    __table_args__ = {"schema": "messages"}  # noqa: RUF012

    room_id: Mapped[UUID] = mapped_column(ForeignKey("messages.rooms.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    n: Mapped[int | None]
    sender_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id"))
    thread_root_id: Mapped[UUID | None]
    rev: Mapped[int]
    reply_count: Mapped[int]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    room: Mapped[Room] = relationship(viewonly=True)
    sender: Mapped[User] = relationship(viewonly=True)
    current: Mapped["Revision | None"] = relationship(
        viewonly=True,
        primaryjoin=lambda: and_(
            foreign(Revision.room_id) == Message.room_id,
            foreign(Revision.message_id) == Message.id,
            foreign(Revision.rev) == Message.rev,
        ),
        uselist=False,
    )
    reactions: Mapped[list["Reaction"]] = relationship(viewonly=True, order_by="Reaction.seq")


class Revision(Base):
    """messages.message_revisions: every version with its author; one without a body is the deletion."""

    __tablename__ = "message_revisions"
    __table_args__ = {"schema": "messages"}  # noqa: RUF012

    room_id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    rev: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str | None]
    actor: Mapped[UUID]
    at: Mapped[datetime]


class Reaction(Base):
    """messages.reactions: one row for each who reacted."""

    __tablename__ = "reactions"
    __table_args__ = (
        ForeignKeyConstraint(["room_id", "message_id"], ["messages.messages.room_id", "messages.messages.id"]),
        {"schema": "messages"},
    )

    room_id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    reaction: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]


# -- the questions


async def busiest_rooms(session: AsyncSession, limit: int = 5) -> Sequence[Room]:
    """Rooms that exist, by how much was written in them, with their people."""
    found = await session.scalars(
        select(Room)
        .where(Room.deleted_at.is_(None))
        .order_by(Room.n.desc(), Room.id)
        .limit(limit)
        .options(selectinload(Room.members).joinedload(Member.user))
    )
    return found.all()


async def last_messages(session: AsyncSession, room_id: UUID, limit: int = 5) -> list[Message]:
    """A room's newest messages, the oldest of them first. The index is (room_id, seq): always ask by room."""
    found = await session.scalars(
        select(Message)
        .where(Message.room_id == room_id)
        .order_by(Message.seq.desc())
        .limit(limit)
        .options(selectinload(Message.sender), selectinload(Message.current), selectinload(Message.reactions))
    )
    return list(found)[::-1]


async def most_active_people(session: AsyncSession, limit: int = 5) -> Sequence[tuple[str, int]]:
    """(username, messages) of those who wrote most. It reads every message: not for every minute."""
    found = await session.execute(
        select(User.username, func.count())
        .join(Message, Message.sender_id == User.id)
        .where(Message.deleted_at.is_(None))
        .group_by(User.username)
        .order_by(func.count().desc(), User.username)
        .limit(limit)
    )
    return [(name, count) for name, count in found]


async def rooms_of(session: AsyncSession, username: str) -> Sequence[tuple[str | None, str]]:
    """(room, role) of where somebody is a member now."""
    found = await session.execute(
        select(Room.name, Member.role)
        .join(Member, Member.room_id == Room.id)
        .join(User, User.id == Member.user_id)
        .where(User.username == username, Member.to_seq.is_(None), Room.deleted_at.is_(None))
        .order_by(Room.name)
    )
    return [(name, role) for name, role in found]


# -- showing them


def shown(message: Message) -> str:
    """One line: the seq, who, and what is left of it."""
    text = message.current.body if message.deleted_at is None and message.current is not None else None
    reactions = "".join(f" [{reaction.reaction}]" for reaction in message.reactions)
    return f"  {message.seq:>4}  {message.sender.username}: {'(deleted)' if text is None else text}{reactions}"


async def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else address()
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1)).execution_options(
        postgresql_readonly=True
    )
    async with AsyncSession(engine) as session:
        rooms = await busiest_rooms(session)
        for room in rooms:
            people = ", ".join(member.user.username for member in room.members if member.to_seq is None)
            print(f"{room.name or 'a direct room'} ({room.visibility}): {room.n} messages, {people}")
            for message in await last_messages(session, room.id, 3):
                print(shown(message))
        active = await most_active_people(session)
        print("Who writes most:", ", ".join(f"{name} ({count})" for name, count in active) or "nobody yet")
        for name, _ in active[:1]:
            where = ", ".join(f"{room or 'a direct room'} ({role})" for room, role in await rooms_of(session, name))
            print(f"{name} is in: {where}")
    await engine.dispose()


def address() -> str:
    """The database of the suite that runs from PARLEY_HOME."""
    home = Path(os.environ.get("PARLEY_HOME", ".parley"))
    return str(json.loads((home / "run.json").read_text())["urls"]["postgres"])


if __name__ == "__main__":
    asyncio.run(main())
