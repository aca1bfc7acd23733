"""Database and bucket are compared both ways, while both go on changing, and what differs is told once it cannot be otherwise."""

from datetime import timedelta
from typing import Any

import pytest

from parley_media.usecases.bucket import Bucket
from parley_shared.contracts.base import Actor
from parley_shared.contracts.media import CheckStore, StoreChecked
from parley_shared.cursors import write_cursor
from parley_shared.errors import Code

from .harness import TOKEN, Replica, World, picture, put, refused, user


def bucket_of(media: Replica, **how: Any) -> Bucket:
    objects = media.parts.objects
    return Bucket(media.do.bucket._begin, objects, media.do.bucket._auth, **{"stray_age": timedelta(0), **how})


async def checked(bucket: Bucket, admin: Actor | None = None) -> list[StoreChecked]:
    """All steps."""
    steps: list[StoreChecked] = []
    while not steps or steps[-1].next is not None:
        cursor = steps[-1].next if steps else None
        steps.append(await bucket.check(CheckStore(actor=admin or user("admin"), token=TOKEN, cursor=cursor)))
    return steps


def all_of(steps: list[StoreChecked], what: str) -> list[str]:
    return [name for step in steps for name in getattr(step, what)]


async def test_what_is_in_order_is_told_as_such(media: Replica) -> None:
    owner, data = user(), picture()
    for _ in range(3):
        await media.upload(owner, data)
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    await media.begin(owner, len(data))
    steps = await checked(bucket_of(media))
    assert [(step.objects, step.total, step.unfinished, step.missing, step.stray) for step in steps] == [
        (14, 14, 2, [], [])
    ]


@pytest.mark.parametrize("step", [1, 2, 5, 12, 13])
async def test_differences_both_ways_are_found_in_steps_of_any_length(world: World, step: int) -> None:
    media, owner = await world.replica(), user()
    images = [await media.upload(owner, picture()) for _ in range(3)]
    names = world.names()
    missing = [names[0], names[5], names[6], names[11]]
    for name in missing:
        world.client.delete_object(Bucket=world.bucket, Key=name)
    strays = [
        "images/0",
        f"images/{images[1].id}/9/original",
        "images/zz/1/64",
        "quarantine/lost",
        "aaa",
        "zzz/somebody's",
    ]
    for name in strays:
        world.client.put_object(Bucket=world.bucket, Key=name, Body=b"?")
    steps = await checked(bucket_of(media, step=step))
    assert all_of(steps, "missing") == missing
    assert sorted(all_of(steps, "stray")) == sorted(strays)
    assert sum(step.objects for step in steps) == 12 + len(strays)
    assert {step.total for step in steps} == {12}


async def test_a_stray_that_is_young_may_be_an_upload(media: Replica) -> None:
    await media.upload(user(), picture())
    media.world.client.put_object(Bucket=media.world.bucket, Key="images/new", Body=b"?")
    assert all_of(await checked(media.do.bucket), "stray") == []
    assert all_of(await checked(bucket_of(media)), "stray") == ["images/new"]


async def test_what_changes_while_one_looks_is_no_difference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading the rows and listing the bucket, and after it, images come and go."""
    media, owner = await world.replica(), user()
    kept, going, gone = [await media.upload(owner, picture()) for _ in range(3)]
    original = media.parts.objects.list_after

    async def meanwhile(after: str, limit: int) -> Any:
        await media.abort(owner, gone.id)
        await media.upload(owner, picture())
        listed = await original(after, limit)
        await media.abort(owner, going.id)
        await media.upload(owner, picture())
        return listed

    monkeypatch.setattr(media.parts.objects, "list_after", meanwhile)
    [step] = await checked(bucket_of(media))
    assert (step.missing, step.stray) == ([], [])
    assert await media.download(owner, kept.id)


async def test_the_sweep_deletes_strays_of_ours_and_no_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    media, owner = await world.replica(), user()
    image = await media.upload(owner, picture())
    good = world.names()
    for name in ("images/stray", "quarantine/stray", "somebody's"):
        world.client.put_object(Bucket=world.bucket, Key=name, Body=b"?")
    await media.jobs.sweep_now()
    assert len(world.names()) == 7, "they are too young"
    monkeypatch.setattr(media.jobs, "_bucket", bucket_of(media, step=2))
    await media.jobs.sweep_now()
    assert world.names() == [*good, "somebody's"]
    assert await media.download(owner, image.id)


async def test_a_day_has_one_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[Replica] = []
    replicas = [await world.replica() for _ in range(2)]
    for replica in replicas:

        async def sweep(replica: Replica = replica) -> None:
            swept.append(replica)

        monkeypatch.setattr(replica.jobs, "sweep_now", sweep)
    for _ in range(3):
        for replica in replicas:
            await replica.jobs.sweep()
    assert swept == [replicas[0]]
    await world.pass_time(timedelta(days=1))
    for replica in reversed(replicas):
        await replica.jobs.sweep()
    assert swept == replicas


async def test_only_an_admin_may_look(media: Replica) -> None:
    media.world.roles["of a moderator"] = "moderator"
    for actor, token, code in (
        (user(), TOKEN, Code.FORBIDDEN),
        (user("admin"), "of a moderator", Code.FORBIDDEN),
        (user("admin"), "unknown", Code.BAD_TOKEN),
    ):
        with refused(code):
            await media.do.bucket.check(CheckStore(actor=actor, token=token))
    for cursor in ("nonsense", write_cursor("another list", "x"), write_cursor("objects", 7)):
        with refused(Code.BAD_CURSOR):
            await media.do.bucket.check(CheckStore(actor=user("admin"), token=TOKEN, cursor=cursor))
