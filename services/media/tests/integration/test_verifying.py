"""Of images that messages carry, media says which cannot be shown, and why."""

from uuid import UUID

from parley_shared.contracts.images import ImageUse
from parley_shared.contracts.verifying import MOST_IMAGES, CheckImages
from parley_shared.errors import Code
from parley_shared.ids import new_id

from .harness import Replica, World, picture, refused, user


async def wrong(media: Replica, *uses: tuple[UUID, UUID]) -> dict[UUID, str]:
    asked = CheckImages(images=[ImageUse(image_id=image_id, room_ids=[room_id]) for image_id, room_id in uses])
    return {item.image_id: item.detail for item in (await media.do.verifying.check(asked)).wrong}


async def test_an_image_that_was_sent_can_be_shown(media: Replica) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    room_id = await media.send(owner, image.id, owner)
    assert await wrong(media, (image.id, room_id)) == {}


async def test_one_corrupted_row_is_named(world: World) -> None:
    media, owner = await world.replica(uploads_per_hour=20), user()
    uses = []
    for _ in range(4):
        image = await media.upload(owner, picture())
        uses.append((image.id, await media.send(owner, image.id, owner)))
    keyless, halved, erased, unseen = (image_id for image_id, _ in uses)
    execute = world.database.execute
    await execute(
        "UPDATE media.objects SET wrapped_key = NULL, wrapped_by = NULL WHERE image_id = $1 AND part = 'original'",
        keyless,
    )
    await execute("DELETE FROM media.objects WHERE image_id = $1 AND part = '64'", halved)
    await execute("UPDATE media.images SET state = 'erasing', picture = NULL WHERE id = $1", erased)
    await execute("DELETE FROM media.claims WHERE image_id = $1", unseen)
    unknown = new_id()
    assert await wrong(media, *uses, (unknown, new_id())) == {
        keyless: "it has no original with a key",
        halved: "it has no 64 with a key",
        erased: "it is erasing, and not ready",
        unseen: "media does not know in which rooms it may be seen",
        unknown: "media does not know it",
    }


async def test_a_question_has_an_end(media: Replica) -> None:
    with refused(Code.INVALID):
        await wrong(media, *((new_id(), new_id()) for _ in range(MOST_IMAGES + 1)))
