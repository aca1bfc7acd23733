"""An upload becomes an image, or nothing at all."""

import asyncio
import hashlib
from datetime import timedelta

import asyncpg
import pytest

from parley_media.domain import WORK_TIME
from parley_shared.crypto.stream import sealed_length
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.limits import UPLOAD_BYTES

from .harness import Held, Replica, World, opened, picture, put, put_raw, refused, user


async def test_an_upload_becomes_an_image_with_thumbnails(media: Replica) -> None:
    owner, data = user(), picture("JPEG", (1600, 900))
    image = await media.upload(owner, data)
    assert (image.content_type, image.width, image.height, image.animated) == ("image/jpeg", 1600, 900, False)
    assert [(thumbnail.size, thumbnail.width, thumbnail.height) for thumbnail in image.thumbnails] == [
        (64, 64, 36), (320, 320, 180), (1280, 1280, 720)
    ]  # fmt: skip
    whole = await media.download(owner, image.id)
    assert (len(whole), hashlib.sha256(whole).hexdigest()) == (image.bytes, image.sha256)
    assert opened(whole).size == (1600, 900)
    for thumbnail in image.thumbnails:
        small = await media.download(owner, image.id, thumbnail.size)
        assert len(small) == thumbnail.bytes
        assert opened(small).size == (thumbnail.width, thumbnail.height)
    assert len(media.world.names()) == 4, "the quarantine is empty"
    assert await media.world.rows() == sorted(media.world.names())


async def test_nothing_in_the_bucket_can_be_read_without_its_key(media: Replica) -> None:
    owner = user()
    begun = await media.begin(owner, 50_000)
    data = picture("PNG", (100, 100))
    assert await put(begun, data, 50_000) == 200
    assert data[:40] not in media.world.bytes_of(begun.name)
    image = await media.finish(owner, begun, len(data))
    for name in media.world.names():
        sealed = media.world.bytes_of(name)
        assert sealed[:4] not in (b"\x89PNG", b"RIFF")
        assert b"WEBP" not in sealed[:64]
    keys = {(await media.open(owner, image.id, size)).key for size in (None, 64, 320, 1280)}
    assert len(keys) == 4
    assert begun.key not in keys


async def test_an_address_is_good_for_one_upload_of_the_announced_length(media: Replica) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    assert begun.headers["Content-Length"] == str(sealed_length(len(data)))
    body = bytes(sealed_length(len(data)))
    assert await put_raw(begun, body[:-1], **{"Content-Length": str(len(body) - 1)}) == 403
    assert await put_raw(begun, body + b"1", **{"Content-Length": str(len(body) + 1)}) == 403
    assert await put_raw(begun, body, **{"If-None-Match": "another"}) == 403
    assert await put_raw(begun, body) == 200
    assert await put_raw(begun, body) == 412


async def test_what_was_asked_twice_is_the_same_image(media: Replica) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    first = await media.finish(owner, begun, len(data))
    names = media.world.names()
    assert await media.finish(owner, begun, len(data)) == first
    assert media.world.names() == names


async def test_an_upload_is_its_owners_alone(media: Replica) -> None:
    owner, other, data = user(), user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    with refused(Code.NOT_FOUND):
        await media.finish(other, begun, len(data))
    await media.abort(other, begun.upload_id)
    assert (await media.finish(owner, begun, len(data))).width == 400


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.UNSUPPORTED_MEDIA_TYPE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Code.UNSUPPORTED_MEDIA_TYPE),
        (b"<!doctype html><script>alert(1)</script>", Code.UNSUPPORTED_MEDIA_TYPE),
        (b"\x89PNG\r\n\x1a\nand nothing more", Code.BAD_IMAGE),
        (picture()[:2000], Code.BAD_IMAGE),
        (b"GIF89a\xff\xff\xff\xff\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0\x3b", Code.TOO_LARGE),
    ],
    ids=["nothing", "SVG", "HTML", "no PNG", "cut off", "a bomb"],
)
async def test_what_is_refused_leaves_nothing_behind(media: Replica, data: bytes, code: Code) -> None:
    owner = user()
    begun = await media.begin(owner, len(data) + 10)
    assert await put(begun, data, len(data) + 10) == 200
    with refused(code) as found:
        await media.finish(owner, begun, len(data))
    assert found.refusal is not None
    if code == Code.UNSUPPORTED_MEDIA_TYPE:
        assert "image/jpeg, image/png, image/gif, image/webp" in found.refusal.detail
    assert await media.world.nothing_is_left()
    with refused(Code.NOT_FOUND):
        await media.finish(owner, begun, len(data))


@pytest.mark.parametrize(
    ("capacity", "code"), [(UPLOAD_BYTES + 1, Code.TOO_LARGE), (0, Code.INVALID), (-5, Code.INVALID)]
)
async def test_what_is_too_large_is_not_begun(media: Replica, capacity: int, code: Code) -> None:
    with refused(code) as found:
        await media.begin(user(), capacity)
    assert found.refusal is not None
    assert code == Code.INVALID or "10,485,760" in found.refusal.detail
    assert await media.world.nothing_is_left()


async def test_the_largest_file_fits(media: Replica) -> None:
    owner, data = user(), picture("JPEG")
    image = await media.upload(owner, data + bytes(UPLOAD_BYTES - len(data)), padding=0)
    assert image.bytes < len(data) * 2


async def test_more_bytes_than_announced_are_refused_and_change_nothing(media: Replica) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    for wrong in (len(data) + 1, -1):
        with refused(Code.INVALID):
            await media.finish(owner, begun, wrong)
    assert (await media.finish(owner, begun, len(data))).width == 400


async def test_what_has_not_arrived_may_still_come(media: Replica) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    with refused(Code.UNAVAILABLE):
        await media.finish(owner, begun, len(data))
    assert await put(begun, data, len(data)) == 200
    assert (await media.finish(owner, begun, len(data))).width == 400


async def test_what_was_sealed_otherwise_is_not_opened(media: Replica) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put_raw(begun, bytes(sealed_length(len(data)))) == 200
    with refused(Code.UNAVAILABLE):
        await media.finish(owner, begun, len(data))
    await media.abort(owner, begun.upload_id, ours=True)
    assert await media.world.nothing_is_left()


async def test_an_upload_that_was_given_up_leaves_nothing_behind(media: Replica) -> None:
    owner, data = user(), picture()
    for finished in (False, True):
        begun = await media.begin(owner, len(data))
        assert await put(begun, data, len(data)) == 200
        if finished:
            await media.finish(owner, begun, len(data))
        for _ in range(2):
            await media.abort(owner, begun.upload_id)
        assert await media.world.nothing_is_left()
    await media.abort(owner, new_id())


async def test_an_image_that_was_sent_is_not_given_up(media: Replica) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    await media.send(owner, image.id)
    await media.abort(owner, image.id)
    assert await media.world.state(image.id) == "ready"


# -- how often


async def test_twenty_uploads_an_hour_and_no_more(world: World) -> None:
    media, owner = await world.replica(uploads_per_hour=20), user()
    for _ in range(20):
        await media.begin(owner, 100)
    with refused(Code.RATE_LIMITED) as found:
        await media.begin(owner, 100)
    assert found.refusal is not None
    assert found.refusal.retry_after_ms is not None
    assert 170_000 < found.refusal.retry_after_ms <= 180_000
    await media.begin(user(), 100)
    await world.database.execute("UPDATE media.buckets SET arrival = arrival - interval '3 minutes'")
    await media.begin(owner, 100)
    with refused(Code.RATE_LIMITED):
        await media.begin(owner, 100)


async def test_an_upload_that_failed_by_our_fault_does_not_count(world: World) -> None:
    media, owner = await world.replica(uploads_per_hour=2), user()
    for _ in range(5):
        begun = await media.begin(owner, 100)
        await media.abort(owner, begun.upload_id, ours=True)
        # Said twice, it counts once.
        await media.abort(owner, begun.upload_id, ours=True)
    for _ in range(2):
        begun = await media.begin(owner, 100)
        await media.abort(owner, begun.upload_id, ours=False)
    with refused(Code.RATE_LIMITED):
        await media.begin(owner, 100)


async def test_uploads_at_once_do_not_slip_through(world: World) -> None:
    replicas, owner = [await world.replica(uploads_per_hour=3) for _ in range(2)], user()
    done = await asyncio.gather(
        *(replicas[number % 2].begin(owner, 100) for number in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(item, BaseException) for item in done) == 3
    assert all(
        isinstance(item, Refused) and item.code == Code.RATE_LIMITED for item in done if isinstance(item, Exception)
    )


# -- several at once


async def test_two_who_finish_the_same_upload_make_one_image(world: World) -> None:
    replicas, owner, data = [await world.replica() for _ in range(2)], user(), picture("JPEG", (2000, 1500))
    begun = await replicas[0].begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    done = await asyncio.gather(
        *(replica.finish(owner, begun, len(data)) for replica in replicas), return_exceptions=True
    )
    images = [item for item in done if not isinstance(item, BaseException)]
    waiting = [item for item in done if isinstance(item, Refused)]
    assert len(images) + len(waiting) == 2
    assert all(item.code == Code.UNAVAILABLE and item.retry_after_ms for item in waiting)
    assert await replicas[1].finish(owner, begun, len(data)) == images[0]
    assert len(world.names()) == 4


async def test_who_was_held_up_writes_over_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first replica stands still in the middle of storing, is given up, and wakes when another has finished."""
    slow, fast, owner, data = await world.replica(), await world.replica(), user(), picture()
    begun = await slow.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    storing = Held(monkeypatch, slow.parts.objects, "put")
    sleeping = asyncio.create_task(slow.finish(owner, begun, len(data)))
    await storing.reached_by(sleeping)
    with refused(Code.UNAVAILABLE):
        await fast.finish(owner, begun, len(data))
    await world.database.execute("UPDATE media.images SET worked_until = worked_until - $1::interval", WORK_TIME)
    image = await fast.finish(owner, begun, len(data))
    storing.go_on.set()
    with refused(Code.NOT_FOUND):
        await sleeping
    assert await fast.download(owner, image.id)
    assert await world.state(image.id) == "ready"
    # What came late has no row; the sweep finds it when it is old enough.
    assert len(set(world.names()) - set(await world.rows())) == 4


async def test_an_upload_that_is_given_up_while_it_is_decoded_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    media, owner, data = await world.replica(), user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    decoding = Held(monkeypatch, media.parts.decoders, "decode")
    working = asyncio.create_task(media.finish(owner, begun, len(data)))
    await decoding.reached_by(working)
    await media.abort(owner, begun.upload_id)
    assert await world.state(begun.upload_id) == "erasing"
    decoding.go_on.set()
    with refused(Code.NOT_FOUND):
        await working
    assert await world.nothing_is_left()


async def test_uploads_wait_their_turn_in_order(world: World) -> None:
    media = await world.replica(decoders=2)
    until = asyncio.get_running_loop().time() + 60
    served: list[int] = []
    working = 0

    async def work(number: int) -> None:
        nonlocal working
        async with media.parts.decoders.turn(until):
            working += 1
            assert working <= 2
            served.append(number)
            await asyncio.sleep(0)
            working -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(work(number))
    assert served == list(range(20))


async def test_a_turn_that_does_not_come_in_time_is_told(world: World) -> None:
    media = await world.replica(decoders=1)
    loop = asyncio.get_running_loop()
    async with media.parts.decoders.turn(loop.time() + 5):
        with refused(Code.UNAVAILABLE) as found:
            async with media.parts.decoders.turn(loop.time() + 0.05):
                pytest.fail("two at once")
        assert found.refusal is not None
        assert found.refusal.retry_after_ms
    async with media.parts.decoders.turn(loop.time() + 5):
        pass


async def test_an_upload_in_a_database_that_forgot_its_key_is_refused(world: World) -> None:
    media, owner, data = await world.replica(), user(), picture()
    image = await media.upload(owner, data)
    world.wrapping_key.write_text("another " + "0" * 64)
    with refused(Code.UNAVAILABLE):
        await (await world.replica()).open(owner, image.id)


async def test_without_a_bucket_or_a_wrapping_key_there_are_no_uploads(world: World) -> None:
    for changed in ({"s3_url": ""}, {"wrapping_key": ""}):
        media = await world.replica(**changed)
        with refused(Code.UNAVAILABLE):
            await media.begin(user(), 100)


async def test_a_key_in_another_row_opens_nothing(world: World) -> None:
    media, owner = await world.replica(), user()
    one, other = await media.upload(owner, picture()), await media.upload(owner, picture())
    await world.database.execute(
        "UPDATE media.objects AS o SET wrapped_key = s.wrapped_key FROM media.objects AS s"
        " WHERE o.image_id = $1 AND s.image_id = $2 AND o.part = 'original' AND s.part = 'original'",
        one.id,
        other.id,
    )
    with refused(Code.UNAVAILABLE):
        await media.open(owner, one.id)


async def test_an_upload_whose_hour_is_over_is_not_finished(world: World) -> None:
    media, owner, data = await world.replica(), user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    await world.pass_time(timedelta(hours=1, seconds=1))
    with refused(Code.NOT_FOUND):
        await media.finish(owner, begun, len(data))
    await media.jobs.collect()
    assert await world.nothing_is_left()


async def test_the_database_demands_that_a_ready_image_has_its_picture(world: World) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await world.database.execute(
            "INSERT INTO media.images (id, owner_id, state, created_at, attempt) VALUES ($1, $1, 'ready', now(), 1)",
            new_id(),
        )
