"""Who sees an image, messages decides; until it is sent its owner sees it alone. What one may not see does not exist."""

from datetime import timedelta

import pytest

from parley_shared.errors import Code
from parley_shared.ids import new_id
from parley_shared.limits import THUMBNAIL_SIZES

from .harness import Carried, Replica, World, picture, put, refused, user


async def test_an_image_is_its_owners_until_it_is_sent(media: Replica) -> None:
    owner, friend, stranger = user(), user(), user()
    image = await media.upload(owner, picture())
    assert await media.download(owner, image.id)
    for other in (friend, stranger, user("admin"), user("moderator")):
        with refused(Code.NOT_FOUND):
            await media.open(other, image.id)
    assert media.world.asked == [], "what was never about to be sent nobody has to be asked about"
    room_id = await media.send(owner, image.id, owner, friend)
    for viewer in (owner, friend):
        for size in (None, *THUMBNAIL_SIZES):
            assert await media.download(viewer, image.id, size)
    for other in (stranger, user("admin")):
        for size in (None, *THUMBNAIL_SIZES):
            with refused(Code.NOT_FOUND):
                await media.open(other, image.id, size)
    asked = media.world.asked[0]
    assert (asked.viewer_id, asked.viewer_role, asked.image_id, asked.room_ids) == (
        owner.user_id,
        "user",
        image.id,
        [room_id],
    )


async def test_an_image_that_was_about_to_be_sent_and_was_not_stays_its_owners(media: Replica) -> None:
    owner, other = user(), user()
    image = await media.upload(owner, picture())
    await media.claim(owner, new_id(), image.id)
    assert await media.download(owner, image.id)
    with refused(Code.NOT_FOUND):
        await media.open(other, image.id)


async def test_who_is_thrown_out_or_whose_message_is_deleted_sees_nothing_any_more(media: Replica) -> None:
    owner, kicked = user(), user()
    image = await media.upload(owner, picture())
    await media.send(owner, image.id, owner, kicked)
    assert await media.open(kicked, image.id)
    media.world.carried[image.id] = Carried({owner.user_id})
    with refused(Code.NOT_FOUND):
        await media.open(kicked, image.id)
    # The message is deleted: it was sent, and nobody sees it.
    media.world.carried[image.id] = Carried(set(), used=False)
    with refused(Code.NOT_FOUND):
        await media.open(owner, image.id)
    # Messages has told so, and forgotten it. It is not as if it had never been sent.
    await media.release(image.id)
    del media.world.carried[image.id]
    for viewer in (owner, kicked):
        with refused(Code.NOT_FOUND):
            await media.open(viewer, image.id)
    assert await media.world.state(image.id) == "ready", "another message with it may be on its way"


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=2)], ids=["kept", "erased"])
async def test_nobody_sees_what_is_released_while_he_asks_for_it(media: Replica, age: timedelta) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    await media.send(owner, image.id, owner)
    await media.world.pass_time(age)

    async def released() -> None:
        await media.release(image.id)
        del media.world.carried[image.id]

    media.world.carried[image.id] = Carried(set(), used=False)
    media.world.meanwhile = released
    with refused(Code.NOT_FOUND):
        await media.open(owner, image.id)


async def test_what_is_sent_once_more_before_it_was_erased_is_seen_again(media: Replica) -> None:
    owner, friend = user(), user()
    image = await media.upload(owner, picture())
    await media.send(owner, image.id, owner)
    await media.release(image.id)
    await media.send(owner, image.id, owner, friend)
    assert await media.download(friend, image.id)


async def test_an_image_may_be_in_several_rooms(media: Replica) -> None:
    owner, image_id = user(), (await media.upload(user(), picture())).id
    assert await media.claim(owner, new_id(), image_id) == [], "it is somebody else's"
    mine = (await media.upload(owner, picture())).id
    rooms = {new_id() for _ in range(3)}
    for room_id in rooms:
        await media.claim(owner, room_id, mine)
    await media.open(owner, mine)
    assert set(media.world.asked[-1].room_ids) == rooms


@pytest.mark.parametrize("size", [0, 65, -64, 4096])
async def test_there_is_no_other_size(media: Replica, size: int) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    with refused(Code.NOT_FOUND):
        await media.open(owner, image.id, size)


async def test_what_is_not_ready_does_not_exist(media: Replica) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    for image_id in (begun.upload_id, new_id()):
        with refused(Code.NOT_FOUND):
            await media.open(owner, image_id)


async def test_while_messages_is_away_nobody_sees_what_was_sent(media: Replica) -> None:
    owner, friend = user(), user()
    unsent, sent = await media.upload(owner, picture()), await media.upload(owner, picture())
    await media.send(owner, sent.id, owner, friend)
    media.world.messages_away = True
    assert await media.download(owner, unsent.id)
    for viewer in (owner, friend):
        with refused(Code.UNAVAILABLE):
            await media.open(viewer, sent.id)


async def test_what_an_answer_says_of_the_bytes_is_true(world: World) -> None:
    media, owner = await world.replica(), user()
    image = await media.upload(owner, picture("JPEG"))
    found = await media.open(owner, image.id)
    assert (found.bytes, found.etag, found.content_type) == (image.bytes, image.sha256, "image/jpeg")
    small = await media.open(owner, image.id, 64)
    assert (small.bytes, small.content_type) == (image.thumbnails[0].bytes, "image/webp")
    assert small.etag != found.etag
    assert found.seconds <= 300
