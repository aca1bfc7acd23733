"""A new wrapping key: all keys come under it, step by step, and every image stays what it was."""

import asyncio

import pytest

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.keys import Rewrap, Rewrapped
from parley_shared.contracts.media import WrappedKeys
from parley_shared.crypto.wrapping import new_line
from parley_shared.cursors import write_cursor
from parley_shared.errors import Code

from .harness import TOKEN, Replica, World, picture, refused, user


def rotate(world: World) -> str:
    """A further key, which wraps from now on. Its name."""
    line = new_line()
    with world.wrapping_key.open("a") as file:
        file.write("\n" + line)
    return line.split()[0]


async def rewrap(media: Replica, cursor: str | None = None) -> Rewrapped:
    return await media.do.wrapping.rewrap(Rewrap(actor=user("admin"), token=TOKEN, cursor=cursor))


async def keys(media: Replica) -> WrappedKeys:
    return await media.do.wrapping.count(AdminRequest(actor=user("admin"), token=TOKEN))


async def test_all_keys_come_under_the_new_one_and_open_what_they_opened(world: World) -> None:
    media, owner = await world.replica(), user()
    image = await media.upload(owner, picture())
    before = await media.download(owner, image.id)
    old = (await keys(media)).current
    assert (await keys(media)).counts == {old: 4}
    new = rotate(world)
    later = await media.upload(owner, picture())
    assert (await keys(media)).counts == {old: 4, new: 4}
    done = await rewrap(media)
    assert (done.rewrapped, done.left, done.wrapping_key, done.next) == (4, 0, new, None)
    assert (await rewrap(media)).rewrapped == 0
    assert (await keys(media)).counts == {new: 8}
    # The old one may go.
    world.wrapping_key.write_text(world.wrapping_key.read_text().strip().splitlines()[-1])
    alone = await world.replica()
    assert await alone.download(owner, image.id) == before
    assert await alone.download(owner, later.id)


async def test_it_goes_on_from_where_it_was_and_several_may_do_it_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley_media.usecases.wrapping.AT_ONCE", 3)
    replicas, owner = [await world.replica() for _ in range(2)], user()
    images = [await replicas[0].upload(owner, picture()) for _ in range(3)]
    new = rotate(world)
    monkeypatch.setattr("parley_media.usecases.wrapping.SLICE_S", 0.0)
    assert (await rewrap(replicas[0])).rewrapped == 0
    monkeypatch.setattr("parley_media.usecases.wrapping.SLICE_S", 5.0)
    some = await rewrap(replicas[0], write_cursor("keys", sorted(world.names())[7]))
    assert (some.rewrapped, some.left, some.next) == (4, 8, None)
    done = await asyncio.gather(*(rewrap(replica) for replica in replicas))
    assert sum(item.rewrapped for item in done) == 8
    assert (await keys(replicas[1])).counts == {new: 12}
    for image in images:
        assert await replicas[1].download(owner, image.id)


async def test_a_key_that_cannot_be_opened_is_passed_over(world: World) -> None:
    media, owner = await world.replica(), user()
    await media.upload(owner, picture())
    [name, *_] = world.names()
    await world.database.execute("UPDATE media.objects SET wrapped_key = 'broken' WHERE name = $1", name)
    rotate(world)
    done = await rewrap(media)
    assert (done.rewrapped, done.left, done.next) == (3, 1, None)


async def test_only_an_admin_may_do_it(media: Replica) -> None:
    for actor, token, code in ((user(), TOKEN, Code.FORBIDDEN), (user("admin"), "unknown", Code.BAD_TOKEN)):
        with refused(code):
            await media.do.wrapping.rewrap(Rewrap(actor=actor, token=token))
        with refused(code):
            await media.do.wrapping.count(AdminRequest(actor=actor, token=token))
    with refused(Code.BAD_CURSOR):
        await rewrap(media, "nonsense")
