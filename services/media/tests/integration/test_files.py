"""Files of every sort, good and bad, all the way: each becomes an image or a refusal of its own, and a refusal leaves nothing."""

import pytest

from parley_shared.contracts.base import Actor
from parley_shared.contracts.media import UploadBegun
from parley_shared.errors import Code, Refused

from ..unit.pictures import samples
from ..unit.test_hostile import bombs, oddities
from .harness import Replica, opened, put, user

CLEAN = {Code.BAD_IMAGE, Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE}


@pytest.mark.parametrize("name", samples())
async def test_a_good_file_becomes_an_image_and_half_of_it_does_not(media: Replica, name: str) -> None:
    owner, data = user(), samples()[name]
    image = await media.upload(owner, data)
    assert opened(await media.download(owner, image.id)).size == (image.width, image.height)
    assert image.animated == ("animated" in name)
    await media.abort(owner, image.id)
    half = data[: len(data) // 2]
    begun = await media.begin(owner, len(half))
    assert await put(begun, half, len(half)) == 200
    with pytest.raises(Refused) as caught:
        await media.finish(owner, begun, len(half))
    assert caught.value.code == Code.BAD_IMAGE
    assert await media.world.nothing_is_left()


async def test_bombs_and_oddities_are_answered_cleanly_one_after_the_other(media: Replica) -> None:
    owner = user()
    for name, data in [*bombs(), *((name, data) for name, data, _ in oddities())]:
        begun = await media.begin(owner, len(data))
        assert await put(begun, data, len(data)) == 200
        refusal = await _refusal(media, owner, begun, len(data))
        if refusal is None:
            await media.abort(owner, begun.upload_id)
        else:
            assert refusal.code in CLEAN, (name, refusal)
        assert await media.world.nothing_is_left(), name


async def _refusal(media: Replica, owner: Actor, begun: UploadBegun, length: int) -> Refused | None:
    try:
        await media.finish(owner, begun, length)
    except Refused as refusal:
        return refusal
    return None
