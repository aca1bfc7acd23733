"""What each service answers about itself when an operator asks whether everything still fits together. Nothing is changed by it.

Every owner looks into its own schema alone and asks its peers for the other side: messages compares log, state, unread counts and
images of rooms, search its index with what messages has, media what it holds of images. See docs/operations/verify.md.
"""

from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Wire, svc_rpc, user_rpc
from parley_shared.contracts.images import ImageUse

MOST_IMAGES = 1_000
"""In one question about images."""


class Divergence(Wire, frozen=True, kw_only=True):
    """Two things that should say the same and do not.

    kind: a stable slug; docs/operations/verify.md says what each means. stream: `room:<id>` or `user:<id>`. seq: in that stream.
    """

    kind: str
    stream: str
    detail: str
    seq: int | None = None
    message_id: UUID | None = None
    user_id: UUID | None = None


class Verify(AdminRequest, frozen=True, kw_only=True):
    """One step. room_id: of this room alone. cursor: `next` of the step before."""

    room_id: UUID | None = None
    cursor: str | None = None


class Verified(Wire, frozen=True, kw_only=True):
    """streams: those that were gone through to their end in this step; total: how many there are in all. checked: rows of what, by name.

    divergences: the first ones of each kind, in the order of streams. more: there are others of such a kind in what was looked at.
    """

    streams: int
    total: int
    checked: dict[str, int]
    divergences: list[Divergence]
    more: bool = False
    next: str | None = None


class CheckImages(Wire, frozen=True, kw_only=True):
    """Images that messages carry now, and in which rooms; at most 1,000."""

    images: list[ImageUse]


class WrongImage(Wire, frozen=True, kw_only=True):
    """detail: what is missing of it."""

    image_id: UUID
    detail: str


class ImagesChecked(Wire, frozen=True, kw_only=True):
    """Those that cannot be shown as they should be."""

    wrong: list[WrongImage]


VERIFY_ROOMS = user_rpc("messages", "verify_rooms", Verify, Verified, timeout=60.0, repeatable=True)
VERIFY_PEOPLE = user_rpc("messages", "verify_people", Verify, Verified, timeout=60.0, repeatable=True)
VERIFY_INDEX = user_rpc("search", "verify_index", Verify, Verified, timeout=60.0, repeatable=True)
CHECK_IMAGES = svc_rpc("media", "check_images", CheckImages, ImagesChecked, callers={"messages"}, timeout=10.0)
