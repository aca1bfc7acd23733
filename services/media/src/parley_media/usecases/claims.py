"""Images and messages: which ones a message may carry, and which ones none carries any more."""

from parley_media.domain import CLAIM_TIME, UNUSED_TIME, unused
from parley_media.store import Begin
from parley_media.usecases.eraser import doom
from parley_shared.contracts.base import Empty
from parley_shared.contracts.images import Image
from parley_shared.contracts.media import ClaimedImages, ClaimImages, Claims, ReleaseImages


class ImageClaims:
    """The verbs `claim` and `release`, of messages."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def claim(self, cmd: Claims) -> ClaimedImages:
        """Of each claim those images that are ready and the owner's, in the order asked for. For another while they are not unused."""
        asked = {image_id for claim in cmd.claims for image_id in claim.image_ids}
        async with self._begin() as store:
            ready = await store.images.lock_ready(asked)
            now = await store.now()

            def of(claim: ClaimImages) -> list[Image]:
                kept = (ready.get(image_id) for image_id in claim.image_ids)
                return [image.picture for image in kept if image and image.picture and image.owner_id == claim.owner_id]

            found = [of(claim) for claim in cmd.claims]
            pairs = {
                (image.id, claim.room_id) for claim, images in zip(cmd.claims, found, strict=True) for image in images
            }
            await store.images.claim(pairs, now, now + UNUSED_TIME)
        return ClaimedImages(found=found)

    async def release(self, cmd: ReleaseImages) -> Empty:
        """They are erased; those that were claimed a moment ago only when the collector has asked about them once more. Their owners
        do not see them in between: messages has forgotten that they were sent, and this is where it is known."""
        async with self._begin() as store:
            ready = await store.images.lock_ready(cmd.image_ids)
            now = await store.now()
            free = [image_id for image_id, image in ready.items() if unused(image, now)]
            await doom(store, free, "released")
            await store.images.release(ready.keys() - set(free), now, now + CLAIM_TIME)
        return Empty()
