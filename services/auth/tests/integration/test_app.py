"""Whole replicas, as a process runs them, spoken to over NATS as the gateway does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from nats.aio.msg import Msg

from parley_auth import tables
from parley_auth.app import run
from parley_shared.contracts import auth as contract
from parley_shared.contracts.base import Actor, Empty, Readiness
from parley_shared.contracts.live import AccountChanged, bucket_subject
from parley_shared.errors import Code, Refused
from parley_shared.ids import live_bucket, new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

from .harness import HOME, PASSWORD, Auth, person, refusal, together, unique


@asynccontextmanager
async def running_replicas(auth: Auth, count: int = 1, **changed: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(run(auth.settings(instance=f"auth-{number}", **changed), stop)) for number in range(count)
    ]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)


@asynccontextmanager
async def caller(auth: Auth, service: str = "gateway") -> AsyncIterator[tuple[Bus, RpcClient]]:
    bus = auth.nats.bus(service)
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    try:
        yield bus, rpc
    finally:
        await bus.close()


async def until(question: Any) -> Any:
    """Ask until the answer is yes; ten seconds at most."""
    async with asyncio.timeout(10):
        while not (answer := await question()):
            await asyncio.sleep(0.03)
    return answer


async def is_ready(rpc: RpcClient) -> bool:
    try:
        return (await rpc.call(contract.READY, Empty())).ready
    except Refused:
        return False


async def enter(rpc: RpcClient, username: str) -> contract.Tokens:
    await rpc.call(contract.REGISTER, contract.Register(username=username, password=PASSWORD, client=HOME))
    return await rpc.call(contract.LOGIN, contract.Login(username=username, password=PASSWORD, client=HOME))


def as_actor(tokens: contract.Tokens) -> Actor:
    return Actor(user_id=tokens.user_id, session_id=tokens.session_id, role="user")


async def test_two_replicas_serve_a_whole_life_over_nats(auth: Auth) -> None:
    async with running_replicas(auth, 2), caller(auth) as (_, rpc):
        await until(lambda: is_ready(rpc))
        pairs = await asyncio.gather(*(enter(rpc, unique()) for _ in range(10)))
        mes = await asyncio.gather(*(rpc.call(contract.ME, contract.OnlyActor(actor=as_actor(pair))) for pair in pairs))
        assert [me.id for me in mes] == [pair.user_id for pair in pairs]
        refreshed = await asyncio.gather(
            *(
                rpc.call(contract.REFRESH, contract.Refresh(refresh_token=pair.refresh_token, client=HOME))
                for pair in pairs
            )
        )
        assert {pair.session_id for pair in refreshed} == {pair.session_id for pair in pairs}
        conflict = await refusal(
            rpc.call(contract.UPDATE_ME, contract.UpdateMe(actor=as_actor(pairs[0]), rev=9, display_name="x"))
        )
        assert conflict.code == Code.REV_CONFLICT
        assert msgspec.json.decode(conflict.current, type=contract.Me) == mes[0]
        assert len((await rpc.call(contract.JWKS, Empty())).keys) == 1


async def test_a_logout_is_hinted_to_gateways_after_its_commit(auth: Auth) -> None:
    async with running_replicas(auth), caller(auth) as (bus, rpc):
        await until(lambda: is_ready(rpc))
        pair = await enter(rpc, unique())
        heard: asyncio.Queue[Msg] = asyncio.Queue()
        await bus.client.subscribe(bucket_subject("account", live_bucket(pair.user_id)), cb=heard.put)
        await bus.client.flush()
        await rpc.call(contract.LOGOUT, contract.Logout(refresh_token=pair.refresh_token))
        async with asyncio.timeout(2):
            hint = msgspec.json.decode((await heard.get()).data, type=AccountChanged)
        assert hint.user_id == pair.user_id
        page = await rpc.call(contract.REVOKED_SINCE, contract.RevokedSince(cursor=hint.cursor - 1))
        assert [(row.session_id, row.kind) for row in page.items] == [(pair.session_id, "end")]


async def test_a_revocation_without_nats_is_there_to_be_asked_for(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    auth.nats.stop()
    try:
        await parts.use_cases.sessions.logout(contract.Logout(refresh_token=them.tokens.refresh_token))
        page = await parts.use_cases.trust.revoked_since(contract.RevokedSince(cursor=0))
        assert [row.session_id for row in page.items] == [them.tokens.session_id]
    finally:
        auth.nats.start()


async def test_a_replica_answers_again_when_nats_is_back(auth: Auth) -> None:
    async with running_replicas(auth), caller(auth) as (_, rpc):
        await until(lambda: is_ready(rpc))
        auth.nats.stop()
        auth.nats.start()
        await until(lambda: is_ready(rpc))
        await enter(rpc, unique())


async def test_messages_may_ask_who_is_known_and_nothing_else(auth: Auth) -> None:
    async with running_replicas(auth), caller(auth) as (_, gateway), caller(auth, "messages") as (_, messages):
        await until(lambda: is_ready(gateway))
        pair = await enter(gateway, unique())
        known = await messages.call(contract.KNOWN_USERS, contract.UserIds(ids=[new_id(), pair.user_id]))
        assert known.ids == [pair.user_id]
        call = messages.call(contract.ME, contract.OnlyActor(actor=as_actor(pair)), timeout=0.3)
        assert (await refusal(call)).code == Code.UNAVAILABLE


async def test_without_postgresql_it_is_not_ready_and_says_that_trying_again_helps(auth: Auth) -> None:
    gone = "postgresql://nobody@127.0.0.1:1/gone"
    async with running_replicas(auth, postgres_url=gone), caller(auth) as (_, rpc):

        async def answered() -> Readiness | None:
            try:
                return await rpc.call(contract.READY, Empty())
            except Refused:
                return None

        state = await until(answered)
        assert not state.ready
        assert any(reason.startswith("database") for reason in state.reasons)
        login: Awaitable[Any] = rpc.call(contract.LOGIN, contract.Login(username="ada", password=PASSWORD, client=HOME))
        [refused] = await together(login)
        assert refused.code == Code.UNAVAILABLE


async def test_the_tables_are_what_the_migrations_make(auth: Auth) -> None:
    connection = await asyncpg.connect(auth.postgres.owner_url("auth"))
    try:
        columns = {
            (row["table_name"], row["column_name"], row["is_nullable"] == "YES")
            for row in await connection.fetch("SELECT * FROM information_schema.columns WHERE table_schema = 'auth'")
            if row["table_name"] != "alembic_version"
        }
        indexes = {
            row["indexname"] for row in await connection.fetch("SELECT * FROM pg_indexes WHERE schemaname = 'auth'")
        } - {"alembic_version_pkc"}
    finally:
        await connection.close()
    assert columns == {
        (table.name, column.name, bool(column.nullable))
        for table in tables.metadata.tables.values()
        for column in table.columns
    }
    assert indexes == {
        name
        for table in tables.metadata.tables.values()
        for name in [f"pk_{table.name}", *(str(index.name) for index in table.indexes)]
    }
