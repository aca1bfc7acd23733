"""Rules of images: no I/O, no framework.

An image is begun, then ready or refused, and at last erased. Every object that the bucket may hold is a row before it is there, and
stops being one only after it is gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from parley_shared.contracts.images import Image
from parley_shared.limits import IMAGE_UNUSED_HOURS

State = Literal["begun", "ready", "erasing"]

QUARANTINE: Final = "quarantine"
"""The part of an image that nobody has looked at yet."""
PREFIXES: Final = ("images/", "quarantine/")
"""Of our objects' names. What else lies in the bucket is not ours to delete."""

URL_S: Final = 120
"""How long a signed address may be used: it is, at once."""
UPLOAD_TIME: Final = timedelta(hours=1)
"""An upload that is not finished by then is given up."""
STRAY_AGE: Final = timedelta(hours=1)
"""A younger object without a row may be one whose row is just being written, by a clock that goes otherwise."""
UNUSED_TIME: Final = timedelta(hours=IMAGE_UNUSED_HOURS)
RECHECK_TIME: Final = timedelta(days=30)
"""An image in use is asked about again then, in case messages' word that it is not any more was lost."""
CLAIM_TIME: Final = timedelta(minutes=5)
"""After a claim a message with the image may be on its way for so long, and be seen by no question."""
WORK_TIME: Final = timedelta(seconds=90)
"""Whoever takes an upload has it for so long: longer than FINISH_UPLOAD is waited for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An image as it stands. worked_until: somebody is decoding it. released_at: the last message that carried it had gone
    then. picture: once it is ready."""

    id: UUID
    owner_id: UUID
    state: State
    attempt: int
    worked_until: datetime | None
    due_at: datetime | None
    claimed_at: datetime | None
    released_at: datetime | None
    picture: Image | None

    def worked_on(self, now: datetime) -> bool:
        return self.worked_until is not None and self.worked_until > now


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the bucket. length: bytes of the file in it. wrapped_by, wrapped_key: its key, under which other one."""

    name: str
    image_id: UUID
    part: str
    attempt: int
    content_type: str
    length: int
    sha256: str
    wrapped_by: str
    wrapped_key: bytes


def quarantine_name(image_id: UUID) -> str:
    return f"{PREFIXES[1]}{image_id}"


def part_name(image_id: UUID, attempt: int, part: str) -> str:
    """The attempt is in it: whoever was held up and comes back late writes over nothing that somebody else has put there since."""
    return f"{PREFIXES[0]}{image_id}/{attempt}/{part}"


class Budget:
    """Uploads of one user as a token bucket by its theoretical arrival time (GCRA): an hour's worth at once."""

    def __init__(self, per_hour: int) -> None:
        self.per_hour = per_hour
        self._each = timedelta(hours=1) / per_hour
        self._burst = self._each * per_hour

    def wait_ms(self, arrival: datetime, now: datetime) -> int:
        """0 if one more is let through now, else the ms after which it will be."""
        over = arrival + self._each - self._burst - now
        return max(0, -(-over // timedelta(milliseconds=1)))

    def after(self, arrival: datetime, now: datetime) -> datetime:
        """The arrival time once one more has been let through."""
        return max(arrival, now) + self._each

    def back(self, arrival: datetime) -> datetime:
        """The arrival time once one has been given back."""
        return arrival - self._each


def unused(image: Kept, now: datetime) -> bool:
    """Whether an image that no message carries may be erased: not while one may be on its way."""
    return image.claimed_at is None or image.claimed_at + CLAIM_TIME <= now
