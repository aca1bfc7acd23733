"""An account is nobody's from one moment on, and its erasure elsewhere goes on whatever dies meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from parley_auth.clients import STORES
from parley_shared.audit import ACCOUNTS_CHAIN, broken
from parley_shared.contracts.auth import (
    AdminUpdateUser,
    FindUsers,
    GetUser,
    ListAdminUsers,
    OnlyActor,
    RevokedSince,
    UserIds,
    UserNames,
)
from parley_shared.contracts.erasure import AdminGetErasure, Erased, EraseMe, Erasure, ErasureBegun, GetErasure
from parley_shared.errors import Code, unavailable
from parley_shared.ids import new_id

from .harness import OTHER_PASSWORD, PASSWORD, Auth, Parts, Person, admin, login, person, refresh, refusal, register
from .test_audit import entries, exported, from_lines


class Elsewhere:
    """The other services: each needs `calls` calls, and may be away."""

    def __init__(self, calls: int = 1) -> None:
        self.calls = calls
        self.away: set[str] = set()
        self.asked: list[tuple[str, UUID, UUID]] = []
        self.on_call: Callable[[str], None] = lambda _store: None

    async def erase(self, store: str, user_id: UUID, saga_id: UUID) -> Erased:
        self.on_call(store)
        if store in self.away:
            raise unavailable(f"{store} is not running")
        self.asked.append((store, user_id, saga_id))
        done = len([each for each in self.asked if each[0] == store])
        return Erased(done=done >= self.calls, counts={"things": min(done, self.calls)})


async def begun(parts: Parts, who: Person, password: str = PASSWORD) -> ErasureBegun:
    return await parts.use_cases.erasures.erase_me(EraseMe(actor=who.actor, password=password))


async def receipt(parts: Parts, begun: ErasureBegun) -> Erasure:
    return await parts.use_cases.erasures.get(GetErasure(id=begun.id, code=begun.code))


async def rows_with(auth: Auth, text: str) -> list[str]:
    """The tables of auth in which this text stands in any column."""
    connection = await asyncpg.connect(auth.postgres.owner_url("auth"))
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'auth'")
        query = "SELECT EXISTS (SELECT FROM auth.{} t WHERE t::text LIKE '%' || $1 || '%')"
        return [table for (table,) in tables if await connection.fetchval(query.format(table), text)]
    finally:
        await connection.close()


async def test_nobody_gets_in_any_more_and_nobody_finds_him(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    other = await login(parts, them.username)
    before = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))).cursor
    await begun(parts, them)
    for session in (them, other):
        assert (await refusal(refresh(parts, session.tokens.refresh_token))).code == Code.BAD_TOKEN
        assert (await refusal(parts.use_cases.directory.me(OnlyActor(actor=session.actor)))).code == Code.BAD_TOKEN
    assert (await refusal(login(parts, them.username))).code == Code.BAD_CREDENTIALS
    (revoked,) = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=before))).items
    assert (revoked.user_id, revoked.session_id, revoked.kind) == (them.id, None, "end")
    assert revoked.min_ver > them.claims["ver"]
    shown = await parts.use_cases.directory.get_user(GetUser(actor=boss.actor, user_id=them.id))
    assert (shown.display_name, shown.deleted) == ("Deleted user", True)
    assert them.username not in shown.username
    found = await parts.use_cases.directory.find_users(FindUsers(actor=boss.actor, query="deleted"))
    assert them.id not in [user.id for user in found.items]
    assert (await parts.use_cases.directory.known_users(UserIds(ids=[them.id]))).ids == []
    assert (await parts.use_cases.directory.resolve_names(UserNames(names=[them.username]))).ids == {}
    listed = ListAdminUsers(actor=boss.actor, token=boss.tokens.access_token, limit=200)
    assert [user.deleted for user in (await parts.use_cases.admin.users(listed)).items if user.id == them.id] == [True]
    change = AdminUpdateUser(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id, role="admin")
    assert (await refusal(parts.use_cases.admin.update_user(change))).code == Code.NOT_FOUND


async def test_nothing_that_tells_who_it_was_is_in_any_table(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=5)
    them = await person(parts, "canary")
    await refusal(login(parts, them.username, OTHER_PASSWORD))
    assert await rows_with(auth, them.username) == ["users"]
    await begun(parts, them)
    assert await rows_with(auth, them.username) == []
    assert set(await rows_with(auth, str(them.id))) == {"users", "revocations", "erasures", "audit"}
    # The name is free again, and whoever takes it is somebody else.
    await register(parts, them.username)
    again = await login(parts, them.username)
    assert again.id != them.id


async def test_what_was_done_to_him_is_gone_from_the_trail_and_the_chain_holds(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    change = AdminUpdateUser(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id, role="moderator")
    await parts.use_cases.admin.update_user(change)
    them = await login(parts, them.username)
    made = await begun(parts, them)
    lines = await exported(parts, boss)
    assert broken("accounts", ACCOUNTS_CHAIN, from_lines(lines)) is None
    told = [line["body"] for line in lines if line["body"] is not None and str(them.id) in line["body"]]
    assert len(told) == 1
    assert "account.erased" in told[0]
    assert [(entry.action, entry.erased, entry.actor_id, entry.target_id) for entry in await entries(parts, boss)] == [
        ("account.erased", False, them.id, them.id),
        ("account.role_changed", True, boss.id, None),
        ("account.registered", True, None, None),
        ("account.signed_in", False, boss.id, boss.id),
        ("account.registered", False, boss.id, boss.id),
    ]
    assert (await receipt(parts, made)).stores["auth"].counts == {"accounts": 1, "sessions": 2, "audit_entries": 2}


async def test_a_wrong_password_erases_nothing_and_counts_as_a_failed_login(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=2)
    them = await person(parts)
    for _ in range(2):
        refused = await refusal(begun(parts, them, OTHER_PASSWORD))
        assert refused.code == Code.BAD_CREDENTIALS
        assert refused.errors is not None
    assert (await refusal(begun(parts, them))).code == Code.RATE_LIMITED
    assert (await parts.use_cases.directory.me(OnlyActor(actor=them.actor))).username == them.username


async def test_the_last_admin_stays(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=1)
    boss = await admin(parts)
    for _ in range(3):
        assert (await refusal(begun(parts, boss))).code == Code.LAST_ADMIN
    await admin(parts)
    await begun(parts, boss)


async def test_of_two_admins_who_erase_themselves_at_once_one_stays(auth: Auth) -> None:
    parts = await auth.replica()
    bosses = [await admin(parts), await admin(parts)]
    answers = await asyncio.gather(*(begun(parts, boss) for boss in bosses), return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, ErasureBegun)]) == 1


async def test_only_once(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    answers = await asyncio.gather(*(begun(parts, them) for _ in range(4)), return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, ErasureBegun)]) == 1
    assert (await refusal(begun(parts, them))).code == Code.BAD_TOKEN


async def test_the_receipt_tells_how_far_it_has_come_to_who_has_its_code(auth: Auth) -> None:
    parts = await auth.replica(erasure_settle_s=0)
    boss, them = await admin(parts), await person(parts)
    made = await begun(parts, them)
    first = await receipt(parts, made)
    assert (first.state, first.finished_at, first.user_id) == ("running", None, them.id)
    assert {name: state.done for name, state in first.stores.items()} == {"auth": True, **dict.fromkeys(STORES, False)}
    for wrong in (GetErasure(id=made.id, code="no"), GetErasure(id=new_id(), code=made.code)):
        assert (await refusal(parts.use_cases.erasures.get(wrong))).code == Code.NOT_FOUND
    await parts.use_cases.erasures.work(Elsewhere(calls=3))  # type: ignore[arg-type]
    done = await receipt(parts, made)
    assert done.state == "done"
    assert done.finished_at is not None
    assert all(state.done for state in done.stores.values())
    assert done.stores["messages"].counts == {"things": 3}
    asked = AdminGetErasure(actor=boss.actor, token=boss.tokens.access_token, id=made.id)
    assert await parts.use_cases.erasures.admin_get(asked) == done
    mere = await person(parts)
    asked = AdminGetErasure(actor=mere.actor, token=mere.tokens.access_token, id=made.id)
    assert (await refusal(parts.use_cases.erasures.admin_get(asked))).code == Code.FORBIDDEN


async def due(auth: Auth) -> None:
    """As if all the waiting were over."""
    connection = await asyncpg.connect(auth.postgres.owner_url("auth"))
    try:
        await connection.execute("UPDATE auth.erasures SET until = now() WHERE finished_at IS NULL")
    finally:
        await connection.close()


async def test_a_store_that_is_away_is_asked_again(auth: Auth) -> None:
    parts = await auth.replica(erasure_settle_s=0)
    made = await begun(parts, await person(parts))
    elsewhere = Elsewhere()
    elsewhere.away = {"messages", "media"}
    await parts.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    found = await receipt(parts, made)
    assert (found.state, found.stores["presence"].done, found.stores["messages"].done) == ("running", True, False)
    elsewhere.away.clear()
    await parts.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    assert (await receipt(parts, made)).state == "running", "it waits before it asks again"
    await due(auth)
    await parts.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    assert (await receipt(parts, made)).state == "done"


async def test_a_replica_that_dies_in_the_middle_leaves_it_to_another(auth: Auth) -> None:
    one, other = await auth.replica(erasure_settle_s=0), await auth.replica(erasure_settle_s=0)
    made = await begun(one, await person(one))
    elsewhere = Elsewhere(calls=3)

    class Killed(BaseException):
        """Nothing of ours catches it, as nothing of ours runs after SIGKILL."""

    def die(store: str) -> None:
        if store == "presence":
            raise Killed

    elsewhere.on_call = die
    with pytest.raises(Killed):
        await one.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    elsewhere.on_call = lambda _store: None
    await other.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    assert (await receipt(other, made)).state == "running", "the dead one's lease has not run out"
    await due(auth)
    await other.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    found = await receipt(other, made)
    assert found.state == "done"
    assert found.stores["messages"].counts == {"things": 3}


async def test_two_replicas_do_not_work_on_the_same_one(auth: Auth) -> None:
    replicas = [await auth.replica(erasure_settle_s=0) for _ in range(2)]
    made = [await begun(replicas[0], await person(replicas[0])) for _ in range(4)]
    elsewhere = Elsewhere()
    await asyncio.gather(*(parts.use_cases.erasures.work(elsewhere) for parts in replicas))  # type: ignore[arg-type]
    assert len(elsewhere.asked) == len(made) * len(STORES)
    assert all([(await receipt(replicas[0], each)).state == "done" for each in made])


async def test_it_is_done_only_after_no_gateway_can_let_him_in_any_more(auth: Auth) -> None:
    parts = await auth.replica(erasure_settle_s=3600)
    made = await begun(parts, await person(parts))
    elsewhere = Elsewhere()
    await parts.use_cases.erasures.work(elsewhere)  # type: ignore[arg-type]
    found = await receipt(parts, made)
    assert all(state.done for state in found.stores.values())
    assert found.state == "running"
    later: Any = await auth.replica(erasure_settle_s=0)
    await due(auth)
    await later.use_cases.erasures.work(elsewhere)
    assert (await receipt(parts, made)).state == "done"
    assert len([each for each in elsewhere.asked if each[0] == "messages"]) == 2
