"""Who sees an image: whoever sees a message that carries it. Media asks; nothing is written."""

from parley_messages.store import Database
from parley_shared.contracts.images import ImagesInUse, ImagesInUseAnswer, MaySeeImage, MaySeeImageAnswer
from parley_shared.errors import invalid

MOST = 1_000


class Images:
    """The verbs `may_see_image` and `images_in_use`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def may_see(self, request: MaySeeImage) -> MaySeeImageAnswer:
        """Of this moment: a deletion, a removal and the end of an access count at once."""
        async with self._database.snapshot() as store:
            sent, visible = await store.images.carried(
                request.image_id, request.room_ids, request.viewer_id, admin=request.viewer_role == "admin"
            )
        return MaySeeImageAnswer(sent=sent, visible=visible)

    async def in_use(self, request: ImagesInUse) -> ImagesInUseAnswer:
        """Raises Refused: INVALID above 1,000."""
        if len(request.images) > MOST:
            raise invalid(images=f"at most {MOST}")
        pairs = [(use.image_id, room_id) for use in request.images for room_id in use.room_ids]
        async with self._database.snapshot() as store:
            return ImagesInUseAnswer(image_ids=sorted(await store.images.in_use(pairs)))
