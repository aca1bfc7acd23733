"""What is logged for a request says for which, in every service; what serves everybody says nothing of the kind."""

import asyncio

from structlog.contextvars import bound_contextvars, get_contextvars

from parley_shared.correlation import KEYS, adopt, bound, carried, detached


async def seen() -> dict[str, object]:
    return dict(get_contextvars())


async def test_ids_go_with_the_call_and_nothing_else_does() -> None:
    with bound_contextvars(request_id="r1", secret="not this"):
        header = carried()
    assert header == "request_id=r1"

    async def served() -> dict[str, object]:
        adopt(f"{header},user=somebody,broken")
        return await seen()

    assert await asyncio.create_task(served()) == {"request_id": "r1"}
    assert await seen() == {}


async def test_who_works_for_nobody_carries_nothing() -> None:
    assert carried() is None


async def test_a_socket_s_tasks_know_it_and_not_each_other() -> None:
    context = bound(connection_id="c1")

    async def more() -> dict[str, object]:
        adopt("request_id=r2")
        return await seen()

    loop = asyncio.get_running_loop()
    assert await loop.create_task(more(), context=context.copy()) == {"connection_id": "c1", "request_id": "r2"}
    assert await loop.create_task(seen(), context=context.copy()) == {"connection_id": "c1"}


async def test_what_serves_everybody_belongs_to_nobody() -> None:
    with bound_contextvars(request_id="r1"):
        assert await detached(seen()) == {}


def test_only_ids_are_carried() -> None:
    assert all(key.endswith("_id") for key in KEYS)
