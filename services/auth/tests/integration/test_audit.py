"""What is noted of accounts, who may read it, and that its chain and exports hold."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.audit import ACCOUNTS_CHAIN, ZERO, Entry, Signer, broken, is_signed, new_key
from parley_shared.contracts.audit import AuditEntry, AuditHeads, AuditRequest, ListAudit
from parley_shared.contracts.auth import (
    AdminInvite,
    AdminResetCode,
    AdminUpdateUser,
    ChangePassword,
    Client,
    EndSession,
    Logout,
    ResetPassword,
)
from parley_shared.contracts.base import Actor, Empty
from parley_shared.errors import Code
from parley_shared.ids import new_id

from .harness import (
    OTHER_PASSWORD,
    PASSWORD,
    Auth,
    Parts,
    Person,
    admin,
    login,
    operator_code,
    person,
    refusal,
    register,
    together,
    unique,
)


async def entries(parts: Parts, boss: Person, **which: Any) -> list[AuditEntry]:
    asked = ListAudit(actor=boss.actor, token=boss.tokens.access_token, limit=200, **which)
    return list((await parts.use_cases.audit.page(asked)).items)


async def actions(parts: Parts, boss: Person, user_id: UUID) -> list[str]:
    """Oldest first."""
    return [entry.action.removeprefix("account.") for entry in reversed(await entries(parts, boss, user_id=user_id))]


def from_lines(lines: list[dict[str, Any]], prev: bytes = ZERO) -> list[Entry]:
    found = []
    for line in lines:
        body, key = line["body"], line["key"]
        found.append(
            Entry(
                line["n"],
                None if body is None else body.encode(),
                None if key is None else bytes.fromhex(key),
                bytes.fromhex(line["mac"]),
                prev,
                bytes.fromhex(line["hash"]),
            )
        )
        prev = found[-1].hash
    return found


async def exported(parts: Parts, boss: Person, limit: int = 200, **which: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        asked = AuditRequest(actor=boss.actor, token=boss.tokens.access_token, limit=limit, cursor=cursor, **which)
        page = await parts.use_cases.audit.entries(asked)
        lines += page.items
        cursor = page.next
        if cursor is None:
            return lines


async def test_what_matters_about_an_account_is_noted(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=3)
    boss, them = await admin(parts), await person(parts)
    second = await login(parts, them.username)
    await parts.use_cases.sessions.end_session(EndSession(actor=them.actor, session_id=second.actor.session_id))
    await parts.use_cases.passwords.change_password(
        ChangePassword(actor=them.actor, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    )
    code = await parts.use_cases.admin.reset_code(
        AdminResetCode(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id)
    )
    await parts.use_cases.passwords.reset_password(
        ResetPassword(code=code.code, new_password=PASSWORD, client=Client(ip="198.51.100.7"))
    )
    for change in ({"role": "moderator"}, {"disabled": True}, {"disabled": False}):
        await parts.use_cases.admin.update_user(
            AdminUpdateUser(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id, **change)  # type: ignore[arg-type]
        )
    assert await actions(parts, boss, them.id) == [
        "registered", "session_ended", "password_changed", "reset_code_made", "password_reset", "role_changed", "disabled",
        "enabled",
    ]  # fmt: skip
    changed = (await entries(parts, boss, user_id=them.id, action="account.role_changed"))[0]
    assert (changed.actor_id, changed.target_id, changed.details) == (
        boss.id,
        them.id,
        {"old": "user", "new": "moderator"},
    )
    assert await actions(parts, boss, boss.id) == [
        "registered", "signed_in", "reset_code_made", "role_changed", "disabled", "enabled",
    ]  # fmt: skip


async def test_ones_own_sign_outs_are_not_noted_nor_what_ordinary_people_sign_in(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    await parts.use_cases.sessions.logout(Logout(refresh_token=them.tokens.refresh_token))
    assert await actions(parts, boss, them.id) == ["registered"]


async def test_who_is_locked_out_is_noted_once(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=3, logins_per_ip=None)
    boss, them = await admin(parts), await person(parts)
    await together(*(login(parts, them.username, OTHER_PASSWORD) for _ in range(3)))
    assert (await refusal(login(parts, them.username))).code == Code.RATE_LIMITED
    assert await actions(parts, boss, them.id) == ["registered", "locked_out"]


async def test_only_an_admin_reads_the_trail(auth: Auth) -> None:
    parts = await auth.replica(audit_key=new_key())
    boss, them = await admin(parts), await person(parts)
    do = parts.use_cases.audit
    pretended = Actor(user_id=them.id, session_id=them.actor.session_id, role="admin")
    for actor, token, code in (
        (them.actor, them.tokens.access_token, Code.FORBIDDEN),
        (pretended, them.tokens.access_token, Code.FORBIDDEN),
        (boss.actor, them.tokens.access_token, Code.BAD_TOKEN),
        (boss.actor, "", Code.BAD_TOKEN),
    ):
        assert (await refusal(do.page(ListAudit(actor=actor, token=token)))).code == code
        assert (await refusal(do.entries(AuditRequest(actor=actor, token=token)))).code == code
        asked = AuditHeads(actor=actor, token=token, export=new_id(), areas=["accounts"])
        assert (await refusal(do.heads(asked))).code == code


async def test_pages_go_back_in_time_and_filters_narrow_them(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    people = [await person(parts) for _ in range(5)]
    everything = await entries(parts, boss)
    assert [entry.n for entry in everything] == list(range(len(everything), 0, -1))
    seen: list[AuditEntry] = []
    cursor = None
    while True:
        asked = ListAudit(actor=boss.actor, token=boss.tokens.access_token, limit=2, cursor=cursor)
        page = await parts.use_cases.audit.page(asked)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert seen == everything
    middle = everything[2].at
    assert await entries(parts, boss, since=middle) + await entries(parts, boss, until=middle) == everything
    assert {entry.target_id for entry in await entries(parts, boss, user_id=people[0].id)} == {people[0].id}
    asked = ListAudit(actor=boss.actor, token=boss.tokens.access_token, cursor="nonsense")
    assert (await refusal(parts.use_cases.audit.page(asked))).code == Code.BAD_CURSOR


async def test_the_chain_holds_however_many_write_it_at_once(auth: Auth) -> None:
    first, second = await auth.replica(), await auth.replica()
    boss = await admin(first)
    work = [register(parts, unique()) for parts in (first, second) for _ in range(10)]
    work += [
        parts.use_cases.admin.invite(AdminInvite(actor=boss.actor, token=boss.tokens.access_token))
        for parts in (first, second)
        for _ in range(10)
    ]
    assert not [answer for answer in await together(*work) if isinstance(answer, BaseException)]
    lines = await exported(first, boss, limit=7)
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == 2 + 40
    assert broken("accounts", ACCOUNTS_CHAIN, from_lines(lines)) is None


async def test_an_export_is_signed_up_to_its_head_while_others_write(auth: Auth) -> None:
    key = new_key()
    parts = await auth.replica(audit_key=key)
    public = Signer.load(key).public_key
    assert (await parts.use_cases.audit.key(Empty())).public_key == public
    boss = await admin(parts)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await register(parts, unique())

    writing = asyncio.create_task(write())
    try:
        for _ in range(5):
            asked = AuditHeads(actor=boss.actor, token=boss.tokens.access_token, export=new_id(), areas=["accounts"])
            (statement,) = (await parts.use_cases.audit.heads(asked)).items
            assert is_signed(statement, public)
            (head,) = statement["heads"]
            lines = [line for line in await exported(parts, boss) if line["n"] <= head["n"]]
            assert broken("accounts", ACCOUNTS_CHAIN, from_lines(lines)) is None
            assert (lines[-1]["n"], lines[-1]["hash"]) == (head["n"], head["hash"])
    finally:
        stop.set()
        await writing


async def test_an_export_of_some_time_begins_where_it_says(auth: Auth) -> None:
    parts = await auth.replica(audit_key=new_key())
    boss = await admin(parts)
    for _ in range(4):
        await person(parts)
    everything = list(reversed(await entries(parts, boss)))
    since, until = everything[2].at, everything[4].at
    asked = AuditHeads(
        actor=boss.actor, token=boss.tokens.access_token, export=new_id(), areas=["accounts"], since=since, until=until
    )
    (statement,) = (await parts.use_cases.audit.heads(asked)).items
    (head,) = statement["heads"]
    assert (head["from"], head["n"], head["prev"], head["hash"]) == (3, 4, everything[1].hash, everything[3].hash)
    lines = await exported(parts, boss, since=since, until=until)
    run = from_lines(lines, bytes.fromhex(head["prev"]))
    assert broken("accounts", ACCOUNTS_CHAIN, run, (2, bytes.fromhex(head["prev"]))) is None
    nothing = AuditHeads(
        actor=boss.actor,
        token=boss.tokens.access_token,
        export=new_id(),
        areas=["accounts"],
        since=everything[-1].at + timedelta(days=1),
    )
    assert (await parts.use_cases.audit.heads(nothing)).items[0]["heads"] == []


async def test_without_a_key_there_are_no_exports(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    asked = AuditHeads(actor=boss.actor, token=boss.tokens.access_token, export=new_id(), areas=["accounts"])
    assert (await refusal(parts.use_cases.audit.heads(asked))).code == Code.UNAVAILABLE
    assert (await refusal(parts.use_cases.audit.key(Empty()))).code == Code.UNAVAILABLE


async def test_what_the_database_changes_behind_our_back_is_found(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    await person(parts)
    connection = await asyncpg.connect(auth.postgres.owner_url("auth"))
    try:
        await connection.execute(
            "UPDATE auth.audit SET body = replace(convert_from(body, 'utf8'), 'user', 'boss')::bytea WHERE n = 3"
        )
    finally:
        await connection.close()
    assert "entry 3" in (broken("accounts", ACCOUNTS_CHAIN, from_lines(await exported(parts, boss))) or "")


async def test_the_first_admin_is_noted_with_the_operators_code(auth: Auth) -> None:
    parts = await auth.replica(registration="closed")
    username = unique("admin")
    await register(parts, username, invite=operator_code())
    boss = await login(parts, username)
    (registered,) = await entries(parts, boss, action="account.registered")
    assert registered.details == {"role": "admin", "by": "operator's code"}
