"""A revoked token is refused within seconds, whichever way the news comes; and when none can come, nobody is let in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from parley_gateway import revocations as module
from parley_gateway.revocations import Revocations
from parley_gateway.tokens import Claims
from parley_shared.contracts import auth
from parley_shared.contracts.frames import CloseCode
from parley_shared.contracts.live import AccountChanged
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

from .harness import Clock, FakeBus, FakeRpc, until


class Auth:
    """auth's list of revocations, in pages of two."""

    def __init__(self) -> None:
        self.items: list[auth.Revocation] = []

    def add(self, user_id: UUID, *, session: UUID | None = None, min_ver: int = 0, kind: Any = "end") -> None:
        self.items.append(
            auth.Revocation(cursor=len(self.items) + 1, user_id=user_id, session_id=session, min_ver=min_ver, kind=kind)
        )

    def since(self, request: auth.RevokedSince) -> auth.Revocations:
        after = request.cursor if request.cursor <= len(self.items) else 0
        rest = self.items[after:]
        found = rest[:2]
        return auth.Revocations(items=found, cursor=found[-1].cursor if found else after, more=len(rest) > 2)


class Running:
    def __init__(self) -> None:
        self.auth = Auth()
        self.rpc = FakeRpc()
        self.rpc.on(auth.REVOKED_SINCE, self.auth.since)
        self.bus = FakeBus()
        self.clock = Clock()
        self.told: list[auth.Revocation] = []
        self.revocations = Revocations(cast(Bus, self.bus), cast(RpcClient, self.rpc), clock=self.clock)
        self.revocations.callbacks.append(self.told.append)

    async def start(self) -> None:
        await self.revocations.start()
        await until(lambda: self.revocations.fresh)

    async def hint(self, cursor: int) -> None:
        """As auth sends it after a commit."""
        hint = AccountChanged(user_id=new_id(), cursor=cursor)
        await self.raw_hint(msgspec.json.encode(hint))

    async def raw_hint(self, data: bytes) -> None:
        message = type("Message", (), {"data": data})
        await self.bus.subscribed["parley.live.account.>"](message)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    found = Running()
    yield found
    await found.revocations.stop()


def claims(**changed: Any) -> Claims:
    given = {"user_id": new_id(), "session_id": new_id(), "role": "user", "ver": 3, "expires_at": 2**40}
    return Claims(**{**given, **changed})


async def test_an_ended_session_is_refused_and_others_of_its_user_are_not(running: Running) -> None:
    mine = claims()
    other = claims(user_id=mine.user_id)
    running.auth.add(mine.user_id, session=mine.session_id)
    await running.start()
    assert running.revocations.standing(mine) == CloseCode.SESSION_ENDED
    assert running.revocations.standing(other) is None
    with pytest.raises(Refused) as refused:
        running.revocations.check(mine)
    assert refused.value.code == Code.BAD_TOKEN


@pytest.mark.parametrize(("kind", "code"), [("end", CloseCode.SESSION_ENDED), ("renew", CloseCode.TOKEN_EXPIRED)])
async def test_tokens_below_a_version_are_refused_and_newer_ones_are_not(
    running: Running, kind: str, code: CloseCode
) -> None:
    old = claims(ver=3)
    running.auth.add(old.user_id, min_ver=4, kind=kind)
    await running.start()
    assert running.revocations.standing(old) == code
    assert running.revocations.standing(claims(user_id=old.user_id, ver=4)) is None


async def test_all_pages_are_read_and_each_revocation_is_told_once(running: Running) -> None:
    for _ in range(7):
        running.auth.add(new_id(), session=new_id())
    await running.start()
    await until(lambda: len(running.told) == 7)
    running.auth.add(new_id(), session=new_id())
    await running.hint(8)
    await until(lambda: len(running.told) == 8)
    assert [item.cursor for item in running.told] == list(range(1, 9))


async def test_a_hint_of_something_known_asks_nothing(running: Running) -> None:
    running.auth.add(new_id(), session=new_id())
    await running.start()
    asked = len(running.rpc.asked)
    await running.hint(1)
    await running.raw_hint(b"rubbish")
    await asyncio.sleep(0.05)
    assert len(running.rpc.asked) == asked


async def test_when_the_bus_is_back_it_asks_for_what_it_may_have_missed(running: Running) -> None:
    await running.start()
    running.auth.add(new_id(), session=new_id())
    for restored in running.bus.restored:
        restored()
    await until(lambda: len(running.told) == 1)


async def test_it_asks_now_and_then_also_without_a_hint(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.02)
    await running.start()
    running.auth.add(new_id(), session=new_id())
    await until(lambda: len(running.told) == 1)


async def test_before_the_first_answer_and_a_minute_after_the_last_nobody_is_let_in(running: Running) -> None:
    somebody = claims()
    with pytest.raises(Refused) as refused:
        running.revocations.check(somebody)
    assert refused.value.code == Code.UNAVAILABLE
    await running.start()
    running.revocations.check(somebody)
    running.clock.now += 61
    with pytest.raises(Refused) as refused:
        running.revocations.check(somebody)
    assert refused.value.code == Code.UNAVAILABLE


async def test_it_keeps_asking_while_auth_is_away_and_after_a_surprise(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    troubles: list[Exception] = [Refused(Code.UNAVAILABLE, "away"), RuntimeError("a surprise")]

    def troubled(request: auth.RevokedSince) -> auth.Revocations:
        if troubles:
            raise troubles.pop(0)
        return running.auth.since(request)

    running.rpc.on(auth.REVOKED_SINCE, troubled)
    await running.start()
    assert not troubles


async def test_a_callback_that_fails_keeps_no_other_from_being_told(running: Running) -> None:
    def fails(_item: auth.Revocation) -> None:
        raise RuntimeError("a socket that cannot be closed")

    running.revocations.callbacks.insert(0, fails)
    running.auth.add(new_id(), session=new_id())
    running.auth.add(new_id(), session=new_id())
    await running.start()
    await until(lambda: len(running.told) == 2)
    assert len(running.rpc.asked) == 1


async def test_another_life_of_auths_database_is_read_to_its_end(running: Running) -> None:
    for _ in range(9):
        running.auth.add(new_id(), session=new_id())
    await running.start()
    await until(lambda: len(running.told) == 9)
    running.auth.items.clear()
    for _ in range(5):
        running.auth.add(new_id(), session=new_id())
    asked = len(running.rpc.asked)
    for restored in running.bus.restored:
        restored()
    await until(lambda: len(running.told) == 14)
    await asyncio.sleep(0.05)
    # Three pages; a cursor that did not follow would ask for the first of them for ever.
    assert len(running.rpc.asked) == asked + 3


async def test_a_revocation_is_kept_as_long_as_a_token_may_live(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    banned, left = claims(), claims()
    running.auth.add(banned.user_id, min_ver=9)
    running.auth.add(left.user_id, session=left.session_id)
    await running.start()
    a_day = 24 * 3600
    for seconds, forgotten in ((a_day, False), (a_day, True)):
        running.clock.now += seconds
        asked = len(running.rpc.asked)
        for restored in running.bus.restored:
            restored()
        await until(lambda asked=asked: len(running.rpc.asked) > asked)
        await asyncio.sleep(0.02)
        assert (running.revocations.standing(banned) is None) == forgotten
        assert (running.revocations.standing(left) is None) == forgotten
