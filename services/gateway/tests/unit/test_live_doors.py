"""Who may open a socket, how many of them, and until when they must have said who they are."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from parley_gateway.live import connection as connection_module
from parley_shared.contracts import auth
from parley_shared.contracts.auth import Revocation
from parley_shared.ids import new_id

from .harness import ORIGIN, until
from .live_harness import Gateway, Peer


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Gateway]:
    gateway = await Gateway(**settings).start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def sign_in(gateway: Gateway, peer: Peer) -> None:
    await peer.say({"type": "auth", "id": 1, "token": gateway.token})
    assert (await peer.json())["type"] == "ready"
    assert (await peer.json()) == {"type": "live"}


async def test_an_address_has_only_so_many_sockets_that_have_not_authenticated() -> None:
    async with running(unauthenticated_per_ip=2) as gateway:
        first, second = [await gateway.connect() for _ in range(2)]
        for peer in (first, second):
            assert (await peer.json())["type"] == "hello"
        third = await gateway.connect()
        # Not an HTTP status: a page of a browser could not see it, and would not know that it may come back.
        assert third.status == 101
        assert await third.closed() == 4029
        # Whoever has authenticated makes room, and so does whoever goes.
        await sign_in(gateway, first)
        fourth = await gateway.connect()
        assert (await fourth.json())["type"] == "hello"
        second.hang_up()
        await until(lambda: len(gateway.live._roster) == 2)
        fifth = await gateway.connect()
        assert (await fifth.json())["type"] == "hello"
        assert await (await gateway.connect()).closed() == 4029


async def test_a_refused_token_makes_room_at_once() -> None:
    async with running(unauthenticated_per_ip=1) as gateway:
        peer = await gateway.connect()
        assert (await peer.json())["type"] == "hello"
        await peer.say({"type": "auth", "id": 1, "token": "nonsense"})
        assert (await peer.json())["code"] == "bad_token"
        assert (await (await gateway.connect()).json())["type"] == "hello"
        assert await peer.closed() == 4500


async def test_an_address_has_only_so_many_sockets_at_all() -> None:
    async with running(connections_per_ip=1) as gateway:
        first = await gateway.signed_in()
        assert await (await gateway.connect()).closed() == 4029
        first.hang_up()
        await until(lambda: len(gateway.live._roster) == 0)
        await gateway.signed_in()


async def test_a_user_has_only_so_many_sockets() -> None:
    async with running(connections_per_user=1) as gateway:
        await gateway.signed_in()
        second = await gateway.connect()
        assert (await second.json())["type"] == "hello"
        await second.say({"type": "auth", "id": 1, "token": gateway.token})
        assert await second.closed() == 4029


async def test_the_address_is_the_one_that_a_trusted_proxy_names() -> None:
    async with running(unauthenticated_per_ip=1, trusted_proxies="127.0.0.1") as gateway:
        for address in ("203.0.113.1", "203.0.113.2"):
            assert (await (await gateway.connect(X_Forwarded_For=address)).json())["type"] == "hello"
            # What stands before it was written by somebody we do not know.
            again = await gateway.connect(X_Forwarded_For=f"198.51.100.7, {address}")
            assert await again.closed() == 4029


async def test_the_address_is_the_peers_own_if_nobody_is_trusted() -> None:
    async with running(unauthenticated_per_ip=1) as gateway:
        assert (await (await gateway.connect(X_Forwarded_For="203.0.113.1")).json())["type"] == "hello"
        assert await (await gateway.connect(X_Forwarded_For="203.0.113.2")).closed() == 4029


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (ORIGIN, 101),
        ("https://friend.example", 101),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
async def test_a_page_of_another_host_opens_nothing(origin: str, status: int) -> None:
    async with running(allowed_origins="https://friend.example") as gateway:
        assert (await gateway.connect(Origin=origin)).status == status


async def test_without_auth_a_socket_closes(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "AUTH_TIMEOUT_S", 0.05)
    assert await (await gateway.connect()).closed() == 4504


async def test_a_silent_socket_is_asked_and_then_closed(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEARTBEAT_MS", 20)
    monkeypatch.setattr(connection_module, "SILENCE_S", 0.1)
    peer = await gateway.connect()
    await peer.say({"type": "auth", "id": 1, "token": gateway.token})
    # On a busy machine it is asked before it has been let in.
    while (frame := await peer.json()) != {"type": "ping"}:
        assert frame["type"] in ("hello", "ready", "live")
    assert await peer.closed() == 4009


async def test_commands_before_live_are_refused_and_a_second_auth_too(gateway: Gateway) -> None:
    peer = await gateway.connect()
    assert (await peer.json())["type"] == "hello"
    await peer.say({"type": "join", "id": 7, "room_id": str(new_id())})
    refused = await peer.json()
    assert (refused["id"], refused["code"]) == (7, "unauthenticated")
    await peer.say({"type": "ping"})
    assert await peer.json() == {"type": "pong"}
    await sign_in(gateway, peer)
    await peer.say({"type": "auth", "id": 8, "token": gateway.token})
    refused = await peer.json()
    assert (refused["id"], refused["code"]) == (8, "invalid")


async def test_another_protocol_is_another_protocol(gateway: Gateway) -> None:
    peer = await gateway.connect()
    await peer.say({"type": "auth", "id": 1, "token": gateway.token, "protocol": 2})
    assert await peer.closed() == 4512


@pytest.mark.parametrize(
    ("claims", "code"), [({"exp": 1_000_000_000}, 4014), ({"iss": "somebody"}, 4500), ({"sub": "x"}, 4500)]
)
async def test_a_token_that_is_not_good_closes_with_its_code(
    gateway: Gateway, claims: dict[str, Any], code: int
) -> None:
    peer = await gateway.connect()
    await peer.say({"type": "auth", "id": 1, "token": gateway.issuer.token(**claims)})
    assert await peer.closed() == code


async def test_a_socket_ends_with_its_token_unless_it_gets_a_new_one(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    (connection,) = gateway.live._roster
    before = connection._timers["expiry"]
    later = gateway.issuer.token(sub=str(gateway.me), sid=str(gateway.session), exp=int(time.time()) + 6_000)
    await peer.say({"type": "refresh", "id": 1, "token": later})
    assert await peer.json() == {"type": "ack", "id": 1}
    assert before.cancelled()
    assert connection._timers["expiry"].when() > before.when() + 5_000
    assert connection.claims is not None
    connection.take_claims(replace(connection.claims, expires_at=time.time()))
    assert await peer.closed() == 4014


@pytest.mark.parametrize("other", ["sub", "sid"])
async def test_a_refresh_is_of_the_same_user_and_session(gateway: Gateway, other: str) -> None:
    peer = await gateway.signed_in()
    mine = {"sub": str(gateway.me), "sid": str(gateway.session), other: str(new_id())}
    await peer.say({"type": "refresh", "id": 1, "token": gateway.issuer.token(**mine)})
    refused = await peer.json()
    assert (refused["id"], refused["code"]) == (1, "bad_token")


@pytest.mark.parametrize(
    ("kind", "of_session", "min_ver", "code"),
    [("end", True, 0, 4503), ("end", False, 2, 4503), ("renew", False, 2, 4014)],
)
async def test_a_revocation_closes_the_sockets_that_it_means(
    gateway: Gateway, kind: Any, of_session: bool, min_ver: int, code: int
) -> None:
    peer = await gateway.signed_in()
    mine = gateway.session if of_session else None
    for session_id, user_id, version in ((new_id(), gateway.me, 0), (None, new_id(), 2), (None, gateway.me, 1)):
        gateway.live._on_revocation(
            Revocation(cursor=1, user_id=user_id, session_id=session_id, min_ver=version, kind=kind)
        )
    await peer.say({"type": "ping"})
    assert await peer.json() == {"type": "pong"}
    gateway.live._on_revocation(Revocation(cursor=2, user_id=gateway.me, session_id=mine, min_ver=min_ver, kind=kind))
    assert await peer.closed() == code


async def test_while_auth_is_away_nobody_is_let_in_and_may_come_back(gateway: Gateway) -> None:
    gateway.revocations._answered_at = float("-inf")
    peer = await gateway.connect()
    await peer.say({"type": "auth", "id": 1, "token": gateway.token})
    assert await peer.closed() == 1012


async def test_a_drain_says_when_to_come_back_and_closes_what_stays(gateway: Gateway) -> None:
    peers = [await gateway.signed_in() for _ in range(3)]
    await gateway.live.drain()
    for peer in peers:
        frame = await peer.json()
        assert frame["type"] == "reconnect"
        assert frame["after_ms"] >= 1
        assert await peer.closed() == 4001
    assert await (await gateway.connect()).closed() == 1012


async def test_a_crowd_that_returns_is_spread() -> None:
    async with running(resumes_per_second=1, resumes_burst=1) as gateway:
        asked = {"type": "auth", "id": 1, "token": gateway.token, "resume": {"epoch": "1", "at": {}}}
        peers = []
        for _ in range(3):
            peers.append(await gateway.connect())
            assert (await peers[-1].json())["type"] == "hello"
            await peers[-1].say(asked)
        kinds = [await peer.json() for peer in peers]
        assert [frame["type"] for frame in kinds] == ["ready", "reconnect", "reconnect"]
        assert await peers[1].closed() == 4001
        # Whoever does not resume is not held up by those who do.
        await gateway.signed_in()


async def test_an_answer_that_fails_for_no_reason_of_his_own_lets_the_client_come_back(gateway: Gateway) -> None:
    def bug(_request: auth.OnlyActor) -> auth.Me:
        raise ValueError("a bug of ours")

    gateway.rpc.on(auth.ME, bug)
    peer = await gateway.connect()
    await peer.say({"type": "auth", "id": 1, "token": gateway.token})
    assert await peer.closed() == 1011
