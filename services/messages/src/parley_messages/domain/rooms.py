"""A room as a value."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.messages import (
    DirectoryRoom,
    Encryption,
    History,
    Message,
    MyRoom,
    Room,
    RoomRole,
    Visibility,
)

Sort = Literal["public", "private", "direct"]
"""What the rules of access tell apart."""


@dataclass(frozen=True, slots=True)
class RoomState:
    """A row of `rooms`."""

    id: UUID
    kind: Literal["room", "direct"]
    name: str | None
    topic: str
    visibility: Visibility
    encryption: Encryption
    history: History
    language: str
    slow_mode_s: int
    rev: int
    created_by: UUID
    created_at: datetime
    deleted_at: datetime | None
    head: int
    floor: int
    n: int
    member_count: int
    last_at: datetime

    @property
    def sort(self) -> Sort:
        return "direct" if self.kind == "direct" else self.visibility

    def wire(self) -> Room:
        """As everybody sees it who may see it."""
        return Room(
            id=self.id,
            kind=self.kind,
            name=self.name,
            topic=self.topic,
            visibility=self.visibility,
            encryption=self.encryption,
            history=self.history,
            language=self.language,
            slow_mode_s=self.slow_mode_s,
            rev=self.rev,
            created_by=self.created_by,
            created_at=self.created_at,
            deleted_at=self.deleted_at,
        )

    def in_directory(self, *, joined: bool) -> DirectoryRoom:
        """As the directory shows it."""
        return DirectoryRoom(
            id=self.id,
            kind=self.kind,
            name=self.name,
            topic=self.topic,
            visibility=self.visibility,
            encryption=self.encryption,
            history=self.history,
            language=self.language,
            slow_mode_s=self.slow_mode_s,
            rev=self.rev,
            created_by=self.created_by,
            created_at=self.created_at,
            deleted_at=self.deleted_at,
            member_count=self.member_count,
            joined=joined,
        )


@dataclass(frozen=True, slots=True)
class OwnRoom:
    """A room and what one of its members has of it. read_n: the room's n at the read position."""

    room: RoomState
    role: RoomRole
    from_seq: int
    read_seq: int
    read_n: int

    def wire(self, last_message: Message | None, user_ids: list[UUID] | None) -> MyRoom:
        """As this member sees it."""
        room = self.room
        return MyRoom(
            id=room.id,
            kind=room.kind,
            name=room.name,
            topic=room.topic,
            visibility=room.visibility,
            encryption=room.encryption,
            history=room.history,
            language=room.language,
            slow_mode_s=room.slow_mode_s,
            rev=room.rev,
            created_by=room.created_by,
            created_at=room.created_at,
            deleted_at=room.deleted_at,
            role=self.role,
            from_seq=self.from_seq,
            head=room.head,
            read_seq=self.read_seq,
            unread=max(0, room.n - self.read_n),
            mentions=0,
            member_count=room.member_count,
            user_ids=user_ids,
            last_message=last_message,
        )
