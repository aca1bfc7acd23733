import asyncio
from typing import Literal

import pytest

from parley_auth.domain.keys import new_key
from parley_auth.domain.tokens import Claims, sign
from parley_shared.contracts.auth import (
    AdminInvite,
    AdminResetCode,
    AdminUpdateUser,
    AdminUser,
    ChangePassword,
    ConfirmToken,
    ListAdminUsers,
    Logout,
    RevokedSince,
    UserIds,
)
from parley_shared.contracts.base import Actor
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import (
    OTHER_PASSWORD,
    PASSWORD,
    Auth,
    Person,
    admin,
    login,
    person,
    refresh,
    refusal,
    register,
    together,
    unique,
)


def update(
    who: Person,
    target: Person,
    *,
    role: Literal["admin", "moderator", "user"] | None = None,
    disabled: bool | None = None,
) -> AdminUpdateUser:
    return AdminUpdateUser(
        actor=who.actor, token=who.tokens.access_token, user_id=target.id, role=role, disabled=disabled
    )


async def test_only_an_admin_has_an_admins_verbs(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them, mod = await admin(parts), await person(parts), await person(parts)
    await parts.use_cases.admin.update_user(update(boss, mod, role="moderator"))
    mod = await login(parts, mod.username)
    assert mod.claims["role"] == "moderator"
    do = parts.use_cases.admin
    for who in (them, mod):
        actor, token = who.actor, who.tokens.access_token
        pretended = Actor(user_id=actor.user_id, session_id=actor.session_id, role="admin")
        for asking in (actor, pretended):
            for call in (
                do.users(ListAdminUsers(actor=asking, token=token)),
                do.update_user(AdminUpdateUser(actor=asking, token=token, user_id=who.id, role="admin")),
                do.reset_code(AdminResetCode(actor=asking, token=token, user_id=boss.id)),
                do.invite(AdminInvite(actor=asking, token=token)),
            ):
                assert (await refusal(call)).code == Code.FORBIDDEN


async def test_an_admins_verb_needs_the_admins_own_living_token(auth: Auth) -> None:
    parts = await auth.replica()
    later = await auth.replica(clock_shift_s=601)
    boss, other = await admin(parts), await admin(parts)
    invite = parts.use_cases.admin.invite
    for token in ("", "not.a.token", other.tokens.access_token, boss.tokens.access_token[:-4] + "AAAA"):
        assert (await refusal(invite(AdminInvite(actor=boss.actor, token=token)))).code == Code.BAD_TOKEN
    good = AdminInvite(actor=boss.actor, token=boss.tokens.access_token)
    assert (await refusal(later.use_cases.admin.invite(good))).code == Code.TOKEN_EXPIRED
    await invite(good)
    await parts.use_cases.sessions.logout(Logout(refresh_token=boss.tokens.refresh_token))
    assert (await refusal(invite(good))).code == Code.BAD_TOKEN


async def test_a_token_from_before_the_account_changed_has_to_be_renewed(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    await parts.use_cases.passwords.change_password(
        ChangePassword(actor=boss.actor, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    )
    invite = parts.use_cases.admin.invite
    stale = invite(AdminInvite(actor=boss.actor, token=boss.tokens.access_token))
    assert (await refusal(stale)).code == Code.TOKEN_EXPIRED
    renewed = await refresh(parts, boss.tokens.refresh_token)
    await invite(AdminInvite(actor=boss.actor, token=renewed.access_token))


async def test_other_services_learn_whether_a_token_is_good_and_what_it_is_worth_now(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)

    def asking(who: Person, token: str) -> ConfirmToken:
        return ConfirmToken(actor=who.actor, token=token)

    confirm = parts.use_cases.office.confirm_token
    assert (await confirm(asking(boss, boss.tokens.access_token))).role == "admin"
    assert (await confirm(asking(them, them.tokens.access_token))).role == "user"
    for token in ("", boss.tokens.access_token):
        assert (await refusal(confirm(asking(them, token)))).code == Code.BAD_TOKEN
    await parts.use_cases.admin.update_user(update(boss, them, role="moderator"))
    assert (await refusal(confirm(asking(them, them.tokens.access_token)))).code == Code.TOKEN_EXPIRED
    them = await login(parts, them.username)
    assert (await confirm(asking(them, them.tokens.access_token))).role == "moderator"
    await parts.use_cases.admin.update_user(update(boss, them, disabled=True))
    assert (await refusal(confirm(asking(them, them.tokens.access_token)))).code == Code.BAD_TOKEN


async def test_other_services_learn_the_roles_of_those_who_can_be_addressed(auth: Auth) -> None:
    parts = await auth.replica()
    boss, mod, them, gone = await admin(parts), await person(parts), await person(parts), await person(parts)
    await parts.use_cases.admin.update_user(update(boss, mod, role="moderator"))
    await parts.use_cases.admin.update_user(update(boss, gone, disabled=True))
    answer = await parts.use_cases.directory.user_roles(UserIds(ids=[boss.id, mod.id, them.id, gone.id, new_id()]))
    assert answer.roles == {boss.id: "admin", mod.id: "moderator", them.id: "user"}


async def test_a_token_of_a_key_that_is_not_ours_is_refused(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    async with auth.transactions().begin() as store:
        now = await store.now()
    forged = sign(
        Claims(boss.id, boss.tokens.session_id, 1, "admin"),
        new_key(now),
        now=now,
        lifetime=now - now.replace(year=2000),
    )
    assert (
        await refusal(parts.use_cases.admin.invite(AdminInvite(actor=boss.actor, token=forged)))
    ).code == Code.BAD_TOKEN


async def test_a_new_role_asks_for_new_tokens(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    for _ in range(2):
        assert (await parts.use_cases.admin.update_user(update(boss, them, role="moderator"))).role == "moderator"
    rows = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))).items
    assert [(row.user_id, row.session_id, row.min_ver, row.kind) for row in rows] == [(them.id, None, 2, "renew")]
    renewed = Person(them.username, await refresh(parts, them.tokens.refresh_token))
    assert (renewed.claims["role"], renewed.claims["ver"]) == ("moderator", 2)


async def test_disabling_ends_every_session_and_enabling_lets_in_again(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    assert (await parts.use_cases.admin.update_user(update(boss, them, disabled=True))).disabled
    assert (await refusal(refresh(parts, them.tokens.refresh_token))).code == Code.BAD_TOKEN
    rows = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))).items
    assert [(row.user_id, row.session_id, row.min_ver, row.kind) for row in rows] == [(them.id, None, 2, "end")]
    assert not (await parts.use_cases.admin.update_user(update(boss, them, disabled=False))).disabled
    assert (await login(parts, them.username)).claims["ver"] == 2


async def test_the_last_admin_stays_in_office(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    for call in (update(boss, boss, role="user"), update(boss, boss, disabled=True)):
        assert (await refusal(parts.use_cases.admin.update_user(call))).code == Code.LAST_ADMIN
    await parts.use_cases.admin.update_user(update(boss, boss, role="admin"))
    await admin(parts)
    assert (await parts.use_cases.admin.update_user(update(boss, boss, role="user"))).role == "user"


async def test_of_all_admins_who_leave_at_once_one_remains(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    bosses = [await admin(replicas[0]) for _ in range(4)]
    answers = await together(
        *(replicas[n % 2].use_cases.admin.update_user(update(boss, boss, role="user")) for n, boss in enumerate(bosses))
    )
    assert sum(isinstance(answer, AdminUser) for answer in answers) == 3
    assert [answer.code for answer in answers if isinstance(answer, Refused)] == [Code.LAST_ADMIN]


async def test_admins_page_through_all_accounts(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    wanted = sorted([boss.username, *[(await register(parts, unique("page"))).username for _ in range(5)]])
    off = await login(parts, wanted[-1])
    await parts.use_cases.admin.update_user(update(boss, off, disabled=True))
    seen: list[AdminUser] = []
    cursor = None
    while True:
        page = await parts.use_cases.admin.users(
            ListAdminUsers(actor=boss.actor, token=boss.tokens.access_token, limit=2, cursor=cursor)
        )
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert [row.username for row in seen] == wanted
    assert seen[-1].disabled
    assert seen[-1].last_login_at is not None


async def test_an_unknown_user_is_not_found(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    token = boss.tokens.access_token
    do = parts.use_cases.admin
    for call in (
        do.update_user(AdminUpdateUser(actor=boss.actor, token=token, user_id=new_id(), role="user")),
        do.reset_code(AdminResetCode(actor=boss.actor, token=token, user_id=new_id())),
    ):
        assert (await refusal(call)).code == Code.NOT_FOUND


@pytest.mark.parametrize("round_", range(3))
async def test_a_demotion_and_a_refresh_meet_without_leaving_an_office(auth: Auth, round_: int) -> None:
    """A token signed beside a demotion either says the new role or is covered by the revocation."""
    replicas = [await auth.replica(), await auth.replica()]
    boss, them = await admin(replicas[0]), await admin(replicas[0])
    pair, _ = await asyncio.gather(
        refresh(replicas[0], them.tokens.refresh_token),
        replicas[1].use_cases.admin.update_user(update(boss, them, role="user")),
    )
    rows = (await replicas[0].use_cases.trust.revoked_since(RevokedSince(cursor=0))).items
    needed = max(row.min_ver for row in rows if row.user_id == them.id)
    claims = Person(them.username, pair).claims
    assert claims["role"] == "user" or claims["ver"] < needed
