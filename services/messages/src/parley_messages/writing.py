"""What a batch of accepted messages writes, and what is told of them after the commit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from parley_messages.domain.sending import Checked
from parley_messages.keys import Sealed, message_place
from parley_messages.publisher import Committed, render
from parley_messages.store.send import LockedRoom, SendStore, ThreadMessage
from parley_shared.contracts.frames import MessageCreated
from parley_shared.contracts.messages import Message
from parley_shared.ids import room_stream

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message about to be written."""

    id: UUID
    room: LockedRoom
    seq: int
    n: int | None
    root: ThreadMessage | None
    created_at: datetime
    send: Checked
    mentions: tuple[UUID, ...]
    mention_all: bool

    @property
    def root_id(self) -> UUID | None:
        return None if self.root is None else self.root.id

    @property
    def notifies(self) -> bool:
        """Whether anybody may have to be told of it."""
        return bool(self.mentions or self.mention_all or self.root is not None or self.room.kind == "direct")


def stored_hash(send: Checked, room: LockedRoom) -> int:
    """The payload's hash as it lies in the database: in a sealed room it confirms no guess without the key."""
    return send.payload_hash if room.key is None else room.key.keyed_hash(send.payload_hash)


async def write(store: SendStore, new: list[NewMessage], rooms: list[LockedRoom], windows: dict[UUID, bytes]) -> bool:
    """Whether it leaves work for after the commit. windows: accept times of the senders who are limited, by id."""
    changed = [room for room in rooms if room.head >= room.first]
    moved: dict[tuple[UUID, UUID], tuple[int, int, datetime]] = {}
    replies: dict[tuple[UUID, UUID], tuple[int, datetime]] = {}
    ordinals = {room.id: room.n for room in changed}
    # n at each sender's last message: its own ordinal, or for a reply the room's at that moment. Walking backwards
    # over what was accepted gives it without a further look-up.
    for message in reversed(new):
        n = ordinals[message.room.id]
        moved.setdefault((message.room.id, message.send.sender_id), (message.seq, n, message.created_at))
        if message.n is not None:
            ordinals[message.room.id] = message.n - 1
        if message.root_id is not None:
            key = (message.room.id, message.root_id)
            count, newest = replies.get(key, (0, message.created_at))
            replies[key] = (count + 1, newest)
    # In the order of their keys, as a flush of positions locks them.
    moved = dict(sorted(moved.items()))
    sealed = [_seal(message) for message in new]
    traces = {message.room.id: message.send.trace for message in new if message.send.trace is not None}
    await store.write(
        (
            [message.room.id for message in new],
            [message.id for message in new],
            [message.seq for message in new],
            [message.n for message in new],
            [message.send.sender_id for message in new],
            [message.send.client_msg_id for message in new],
            [stored_hash(message.send, message.room) for message in new],
            [message.send.format for message in new],
            [message.root_id for message in new],
            [message.created_at for message in new],
            [None if seal else message.send.body for message, seal in zip(new, sealed, strict=True)],
            [room_stream(message.room.id) for message in new],
            [room_stream(room.id) for room in changed],
            [room.first for room in changed],
            [room.head for room in changed],
            [room.id for room in changed],
            [room.n for room in changed],
            [room.last_at for room in changed],
            [room_id for room_id, _ in moved],
            [user_id for _, user_id in moved],
            [seq for seq, _, _ in moved.values()],
            [n for _, n, _ in moved.values()],
            list(windows),
            list(windows.values()),
            ["{" + ",".join(map(str, message.mentions)) + "}" for message in new],
            [message.mention_all for message in new],
            [room.flood_at for room in changed],
            [at for _, _, at in moved.values()],
            [_images(message.send) for message in new],
            [seal and seal.blob for seal in sealed],
            [seal and seal.version for seal in sealed],
            [traces.get(room.id) for room in changed],
        )
    )
    carried = [(message.room.id, message.id, image.id) for message in new for image in message.send.images]
    if carried:
        await store.carry(carried)
    if replies:
        await store.count_replies(replies)
        await _follow(store, [message for message in new if message.root is not None])
    work = [(message.room.id, message.id) for message in new if message.notifies]
    if work:
        await store.fan_out(work)
    return bool(work)


def _seal(message: NewMessage) -> Sealed | None:
    """None in a plain room."""
    if message.room.key is None:
        return None
    return message.room.key.seal(message_place(message.id, 1), {"body": message.send.body, "reason": None})


async def _follow(store: SendStore, replies: list[NewMessage]) -> None:
    since: dict[tuple[UUID, UUID, UUID], int] = {}
    wrote: set[tuple[UUID, UUID, UUID]] = set()
    for message in replies:
        if message.root is None:
            continue
        thread = (message.room.id, message.root.id)
        since.setdefault((*thread, message.root.sender_id), message.root.seq)
        for user in (message.send.sender_id, *message.mentions):
            since.setdefault((*thread, user), message.seq - 1)
        wrote.add((*thread, message.send.sender_id))
    await store.follow(since, wrote)


def _images(send: Checked) -> str | None:
    """As they are kept with the message; most have none."""
    return _encode(send.images).decode() if send.images else None


def committed(message: NewMessage) -> Committed:
    """Its event, as clients read it."""
    send = message.send
    body = MessageCreated(
        at=message.created_at,
        actor_id=send.sender_id,
        message=Message(
            id=message.id,
            room_id=send.room_id,
            seq=message.seq,
            n=message.n,
            sender_id=send.sender_id,
            body=send.body,
            format=send.format,
            media=list(send.images),
            thread_root_id=message.root_id,
            reply_count=0,
            mentions=list(message.mentions),
            mention_all=message.mention_all,
            reactions=[],
            rev=1,
            edited_at=None,
            deleted=False,
            deleted_by=None,
            pinned=False,
            created_at=message.created_at,
        ),
    )
    return Committed(
        "room", send.room_id, message.seq, render(room_stream(send.room_id), message.seq, body), trace=send.trace
    )
