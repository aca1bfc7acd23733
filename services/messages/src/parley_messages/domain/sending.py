"""What a send must be before it may queue: one poisoned send would fail a whole batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from parley_shared.contracts.images import Image
from parley_shared.contracts.messages import NotAccepted, Send
from parley_shared.errors import Code, Refused, invalid, not_found
from parley_shared.limits import BODY_CHARS, CLIENT_MSG_ID_CHARS, FOREVER, MESSAGE_IMAGES
from parley_shared.text import clean

FORMATS = ("markdown", "plain")
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """A send that PostgreSQL will take as it is. body: in NFC. payload_hash: signed 64 bits over all that a retry must repeat.

    mentioned: who is named, members or not. mention_all: `@all` is in it, whether the sender may or not. images: as media described
    them. refusal: why it is not to be committed, unless it was already: a retry gets its answer whatever became of the images.
    """

    room_id: UUID
    sender_id: UUID
    role: str
    client_msg_id: str
    body: str
    format: str
    thread_root_id: UUID | None
    payload_hash: int
    mentioned: tuple[UUID, ...] = ()
    mention_all: bool = False
    image_ids: tuple[UUID, ...] = ()
    images: tuple[Image, ...] = ()
    refusal: Refused | None = None
    trace: str | None = None


def check(send: Send) -> Checked:
    """The send, cleaned.

    Raises Refused: BAD_TEXT or INVALID, with the field's name.
    """
    client_msg_id = clean(send.client_msg_id, field="client_msg_id", least=1, most=CLIENT_MSG_ID_CHARS)
    body = clean(send.body, field="body", least=1, most=BODY_CHARS)
    if send.format not in FORMATS:
        raise invalid(format=f"one of {', '.join(FORMATS)}")
    if len(send.media_ids) > MESSAGE_IMAGES:
        raise invalid(media_ids=f"at most {MESSAGE_IMAGES}, not {len(send.media_ids)}")
    if len(set(send.media_ids)) < len(send.media_ids):
        raise invalid(media_ids="each image once")
    return Checked(
        room_id=send.room_id,
        sender_id=send.actor.user_id,
        role=send.actor.role,
        client_msg_id=client_msg_id,
        body=body,
        format=send.format,
        thread_root_id=send.thread_root_id,
        payload_hash=payload_hash(body, send.format, send.thread_root_id, send.media_ids),
        image_ids=tuple(send.media_ids),
        trace=send.trace,
    )


def payload_hash(body: str, body_format: str, thread_root_id: UUID | None, image_ids: Sequence[UUID] = ()) -> int:
    """64 bits of BLAKE2b: enough to tell a retry from another message under the same key."""
    digest = blake2b(body.encode(), digest_size=8, person=b"send", salt=body_format.encode()[:16])
    if thread_root_id is not None:
        digest.update(thread_root_id.bytes)
    for image_id in image_ids:
        digest.update(b"image" + image_id.bytes)
    return int.from_bytes(digest.digest(), signed=True)


def as_outcome(refusal: Refused) -> NotAccepted:
    """A refusal as one send's outcome."""
    return NotAccepted(
        code=str(refusal.code), detail=refusal.detail, retry_after_ms=refusal.retry_after_ms, errors=refusal.errors
    )


def refuse_muted(until: datetime, now: datetime) -> Refused:
    """Waiting helps, unless the mute has no end."""
    forever = until.year == FOREVER.year
    return Refused(
        Code.MUTED,
        "You are muted in this room" + ("." if forever else f" until {until:%Y-%m-%d %H:%M:%S} UTC."),
        retry_after_ms=None if forever else (until - now) // _MILLISECOND + 1,
    )


def refuse_blocked() -> Refused:
    """Between two people a block ends it both ways, and who made it is not said."""
    return Refused(Code.NOT_REACHABLE, "This person is not reachable.")


def refuse_room(*, visible: bool) -> Refused:
    """Why somebody who is no member may not send: in a public room it is said, a private one does not exist for him."""
    return Refused(Code.NOT_A_MEMBER, "Join the room to write in it.") if visible else not_found("room")
