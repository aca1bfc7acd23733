"""What comes over the socket."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from parley_client.models.accounts import Me
from parley_client.models.base import Model
from parley_client.models.rooms import Room


class StreamStanding(Model, frozen=True, kw_only=True):
    status: str
    head: int


class Ready(Model, frozen=True, kw_only=True):
    session_id: UUID
    user: Me
    epoch: str
    rooms: list[Room]
    more_rooms: bool
    streams: dict[str, StreamStanding]


class EventFrame(Model, frozen=True, kw_only=True):
    stream: str
    seq: int
    event: dict[str, Any]

    def __post_init__(self) -> None:
        # Positions depend on these two.
        match self.event:
            case {"kind": "room.joined", **said}:
                valid = isinstance(said.get("room_id"), str) and isinstance(said.get("from_seq"), int)
            case {"kind": "room.left", **said}:
                valid = isinstance(said.get("room_id"), str) and isinstance(said.get("to_seq"), int)
            case _:
                valid = True
        if not valid:
            raise ValueError("it does not say which room, or since when")


class Hello(Model, frozen=True, kw_only=True):
    heartbeat_ms: Annotated[int, msgspec.Meta(gt=0)]


class Reconnect(Model, frozen=True, kw_only=True):
    after_ms: Annotated[int, msgspec.Meta(ge=0)]


class Refusal(Model, frozen=True, kw_only=True):
    """An `error` frame."""

    code: str
    detail: str = ""
    retry_after_ms: int | None = None
    errors: dict[str, str] | None = None
