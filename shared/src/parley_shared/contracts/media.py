"""What media answers: uploads, images, and whether what it knows and what lies in S3 are the same.

Bytes of images never cross NATS. The gateway streams them from and to presigned URLs, sealed under a key that media gives it for
this one object (see crypto.stream).
"""

from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Empty, UserRequest, Wire, ready_rpc, svc_rpc, user_rpc
from parley_shared.contracts.export import Exported, ExportPage
from parley_shared.contracts.images import Image
from parley_shared.contracts.keys import Rewrap, Rewrapped


class BeginUpload(UserRequest, frozen=True, kw_only=True):
    """capacity: bytes that the file may have at most, as far as the request says; it is what lies sealed in S3, padded."""

    capacity: int


class UploadBegun(Wire, frozen=True, kw_only=True):
    """Where to put the sealed bytes, once: `PUT url` with exactly these headers, Content-Length among them.

    name, key: what they are sealed under (crypto.stream); key: 32 bytes as base64. seconds: how long the URL may be used.
    """

    upload_id: UUID
    url: str
    headers: dict[str, str]
    name: str
    key: str
    seconds: int


class FinishUpload(UserRequest, frozen=True, kw_only=True):
    """bytes: of the file, without the padding."""

    upload_id: UUID
    bytes: int


class AbortUpload(UserRequest, frozen=True, kw_only=True):
    """ours: it is the suite's fault, so that it does not count against the uploads of an hour."""

    upload_id: UUID
    ours: bool


class OpenImage(UserRequest, frozen=True, kw_only=True):
    """size: of a thumbnail; null for the image itself."""

    image_id: UUID
    size: int | None = None


class OpenedImage(Wire, frozen=True, kw_only=True):
    """Where the sealed bytes lie, and the key that opens them (crypto.stream). etag: without quotes. seconds: of the URL."""

    url: str
    name: str
    key: str
    content_type: str
    bytes: int
    etag: str
    seconds: int


class ClaimImages(Wire, frozen=True, kw_only=True):
    """Before a message with these images is queued: whose they must be, and in which room they are about to be seen."""

    owner_id: UUID
    room_id: UUID
    image_ids: list[UUID]


class Claims(Wire, frozen=True, kw_only=True):
    """claims: sends of one SEND_MANY."""

    claims: list[ClaimImages]


class ClaimedImages(Wire, frozen=True, kw_only=True):
    """Of each claim those that exist, are ready and are the owner's; they are not collected as unused for another while."""

    found: list[list[Image]]


class ReleaseImages(Wire, frozen=True, kw_only=True):
    """No message carries these any more. Media asks again before it erases one that was claimed a moment ago."""

    image_ids: list[UUID]


class CheckStore(AdminRequest, frozen=True, kw_only=True):
    """One step of comparing database and bucket, in the order of objects' names."""

    cursor: str | None = None


class StoreChecked(Wire, frozen=True, kw_only=True):
    """missing: names that the database knows and the bucket has not. stray: the other way round, and older than any upload.

    objects: how many names of both were looked at in this step. total: what the database holds in all. unfinished: uploads under
    way, and objects about to be erased, which count as neither.
    """

    objects: int
    total: int
    unfinished: int
    missing: list[str]
    stray: list[str]
    next: str | None = None


class WrappedKeys(Wire, frozen=True, kw_only=True):
    """How many objects' keys are wrapped under which wrapping key; current: today's."""

    current: str
    counts: dict[str, int]


BEGIN_UPLOAD = user_rpc("media", "begin_upload", BeginUpload, UploadBegun)
# Decoding waits its turn: fifty uploads of ten megabytes at once take two processors most of a minute.
FINISH_UPLOAD = user_rpc("media", "finish_upload", FinishUpload, Image, timeout=60.0)
ABORT_UPLOAD = user_rpc("media", "abort_upload", AbortUpload, Empty, repeatable=True)
OPEN_IMAGE = user_rpc("media", "open_image", OpenImage, OpenedImage, repeatable=True)
EXPORT_IMAGES = user_rpc("media", "export", ExportPage, Exported, repeatable=True)
CHECK_STORE = user_rpc("media", "check_store", CheckStore, StoreChecked, timeout=15.0, repeatable=True)
REWRAP_IMAGES = user_rpc("media", "rewrap_keys", Rewrap, Rewrapped, timeout=30.0, repeatable=True)
IMAGE_KEYS = user_rpc("media", "wrapped_keys", AdminRequest, WrappedKeys, repeatable=True)
CLAIM_IMAGES = svc_rpc("media", "claim", Claims, ClaimedImages, callers={"messages"})
RELEASE_IMAGES = svc_rpc("media", "release", ReleaseImages, Empty, callers={"messages"})
READY = ready_rpc("media")
