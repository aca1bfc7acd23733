"""Images as messages carry them, and what messages says of who may see one."""

from uuid import UUID

from parley_shared.contracts.base import Role, Wire, svc_rpc


class Thumbnail(Wire, frozen=True, kw_only=True):
    """size: of the longer side, at most; an image that is smaller is not enlarged. width, height: pixels."""

    size: int
    content_type: str
    bytes: int
    width: int
    height: int


class Image(Wire, frozen=True, kw_only=True):
    """An image that is ready. width, height: pixels, as it is to be seen. sha256: hex, of the bytes that GET answers.

    blurhash: a placeholder of some 30 characters (https://blurha.sh). animated: it has several frames.
    """

    id: UUID
    content_type: str
    bytes: int
    width: int
    height: int
    sha256: str
    blurhash: str
    animated: bool = False
    thumbnails: list[Thumbnail]


class MaySeeImage(Wire, frozen=True, kw_only=True):
    """room_ids: where it was about to be sent to, as far as media knows."""

    viewer_id: UUID
    viewer_role: Role
    image_id: UUID
    room_ids: list[UUID]


class MaySeeImageAnswer(Wire, frozen=True, kw_only=True):
    """sent: a message carries it, or did. visible: the viewer sees a message that carries it now."""

    sent: bool
    visible: bool


class ImageUse(Wire, frozen=True, kw_only=True):
    image_id: UUID
    room_ids: list[UUID]


class ImagesInUse(Wire, frozen=True, kw_only=True):
    """At most 1,000."""

    images: list[ImageUse]


class ImagesInUseAnswer(Wire, frozen=True, kw_only=True):
    """Those of them that some message carries now."""

    image_ids: list[UUID]


MAY_SEE_IMAGE = svc_rpc("messages", "may_see_image", MaySeeImage, MaySeeImageAnswer, callers={"media"})
IMAGES_IN_USE = svc_rpc("messages", "images_in_use", ImagesInUse, ImagesInUseAnswer, callers={"media"})
