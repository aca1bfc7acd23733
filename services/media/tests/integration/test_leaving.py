"""What is kept of somebody, for himself, and its end."""

import asyncio
from uuid import UUID

import pytest

from parley_shared.contracts.erasure import Erase, Erased
from parley_shared.contracts.export import ExportPage
from parley_shared.cursors import write_cursor
from parley_shared.errors import Code
from parley_shared.ids import new_id

from .harness import Held, Replica, World, picture, put, refused, user


async def erase(media: Replica, user_id: UUID) -> Erased:
    return await media.do.erasure.erase(Erase(user_id=user_id, saga_id=new_id()))


async def test_an_account_leaves_with_all_its_images(world: World) -> None:
    media, owner, other, data = await world.replica(uploads_per_hour=20), user(), user(), picture()
    images = [await media.upload(owner, data) for _ in range(3)]
    await media.send(owner, images[0].id, owner, other)
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    kept = await media.upload(other, data)
    done = await erase(media, owner.user_id)
    assert (done.done, done.counts) == (True, {"images": 4, "objects": 13})
    assert len(world.names()) == 4
    assert await media.download(other, kept.id)
    with refused(Code.NOT_FOUND):
        await media.open(other, images[0].id)
    # Asked again, it says the same, and what came late goes as well.
    late = await media.begin(owner, len(data))
    assert await put(late, data, len(data)) == 200
    for _ in range(2):
        done = await erase(media, owner.user_id)
        assert (done.done, done.counts) == (True, {"images": 5, "objects": 14})
    tables = ("images", "buckets", "claims")
    for table in tables:
        column = {"images": "owner_id", "buckets": "user_id", "claims": "image_id"}[table]
        who = images[0].id if table == "claims" else owner.user_id
        assert not await world.database.fetchval(f"SELECT count(*) FROM media.{table} WHERE {column} = $1", who)


async def test_somebody_of_whom_there_is_nothing_is_gone_already(media: Replica) -> None:
    assert await erase(media, new_id()) == Erased(done=True, counts={"images": 0, "objects": 0})


async def test_an_upload_that_is_being_decoded_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    media, owner, data = await world.replica(), user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    storing = Held(monkeypatch, media.parts.objects, "put")
    working = asyncio.create_task(media.finish(owner, begun, len(data)))
    await storing.reached_by(working)
    done = await erase(media, owner.user_id)
    assert (done.done, done.counts) == (False, {"images": 1, "objects": 5})
    storing.go_on.set()
    with refused(Code.NOT_FOUND):
        await working
    assert (await erase(media, owner.user_id)).done
    assert await world.nothing_is_left()


async def test_many_images_are_erased_call_by_call(world: World) -> None:
    media, owner = await world.replica(), user()
    await world.database.execute(
        "INSERT INTO media.images (id, owner_id, state, created_at, attempt, due_at)"
        " SELECT gen_random_uuid(), $1, 'begun', now(), 0, now() FROM generate_series(1, 1300)",
        owner.user_id,
    )
    await world.database.execute(
        "INSERT INTO media.objects SELECT 'quarantine/' || id, id, 'quarantine', 0, '', 1, '', 'k', 'x' FROM media.images"
    )
    for _ in range(20):
        if (done := await erase(media, owner.user_id)).done:
            break
    assert done.counts == {"images": 1300, "objects": 1300}
    assert await world.nothing_is_left()


async def test_somebody_can_take_along_what_is_kept_of_his_images(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley_media.usecases.export.PAGE_MAX", 2)
    media, owner = await world.replica(), user()
    images = [await media.upload(owner, picture()) for _ in range(3)]
    room_id = await media.send(owner, images[1].id, owner)
    await media.upload(user(), picture())
    lines, cursor, pages = [], None, 0
    while True:
        page = await media.do.export.page(ExportPage(actor=owner, cursor=cursor))
        lines += page.items
        pages += 1
        cursor = page.next
        if cursor is None:
            break
    assert pages == 2
    assert [line["id"] for line in lines] == [str(image.id) for image in images]
    assert {line["type"] for line in lines} == {"image"}
    assert [line["room_ids"] for line in lines] == [[], [room_id], []]
    assert {"sha256", "width", "height", "bytes", "content_type", "created_at", "thumbnails"} <= lines[0].keys()
    assert (await media.do.export.page(ExportPage(actor=user()))).items == []
    for wrong in ("nonsense", write_cursor("images", "no id")):
        with refused(Code.BAD_CURSOR):
            await media.do.export.page(ExportPage(actor=owner, cursor=wrong))
