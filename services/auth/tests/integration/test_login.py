import pytest

from parley_shared.contracts.auth import AdminUpdateUser, ChangePassword, Client, Login
from parley_shared.errors import Code

from .harness import (
    OTHER_PASSWORD,
    PASSWORD,
    Auth,
    admin,
    login,
    person,
    refusal,
    register,
    session_count,
    together,
    unique,
)


async def test_an_unknown_user_answers_and_costs_what_a_wrong_password_does(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    answers = []
    for name in (them.username, "nobody-" + them.username, "no such name at all!", "nul\0", "half\ud800"):
        before = parts.hasher.calls
        refused = await refusal(login(parts, name, OTHER_PASSWORD))
        answers.append((refused.code, refused.detail, parts.hasher.calls - before))
    assert set(answers) == {(Code.BAD_CREDENTIALS, "Username or password is wrong.", 1)}


async def test_a_password_that_can_be_nobodys_is_wrong_like_any_other(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=None)
    them = await person(parts)
    for password in ("", "x" * 5000, "nul\0nul\0nul\0nul\0", "half a pair \ud800 is none"):
        before = parts.hasher.calls
        assert (await refusal(login(parts, them.username, password))).code == Code.BAD_CREDENTIALS
        assert parts.hasher.calls == before + 1


async def test_ten_failures_lock_an_account_over_all_replicas_and_an_unknown_one_too(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    them = await person(replicas[0])
    for name in (them.username, unique("nobody")):
        answers = await together(*(login(replicas[n % 2], name, OTHER_PASSWORD) for n in range(16)))
        codes = [answer.code for answer in answers]
        assert codes.count(Code.BAD_CREDENTIALS) == 10
        assert codes.count(Code.RATE_LIMITED) == 6
        assert all(0 < answer.retry_after_ms <= 900_000 for answer in answers if answer.code == Code.RATE_LIMITED)
    before = replicas[0].hasher.calls
    assert (await refusal(login(replicas[0], them.username))).code == Code.RATE_LIMITED
    assert replicas[0].hasher.calls == before


async def test_waiting_as_long_as_told_lets_the_right_password_in(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=2)
    them = await person(parts)
    for _ in range(2):
        await refusal(login(parts, them.username, OTHER_PASSWORD))
    wait = (await refusal(login(parts, them.username))).retry_after_ms
    assert wait is not None
    later = await auth.replica(logins_per_account=2, clock_shift_s=wait / 1000)
    await login(later, them.username)


async def test_a_login_clears_the_accounts_failures_but_not_the_addresss(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=3, logins_per_ip=5)
    them = await person(parts)
    for _ in range(2):
        for _ in range(2):
            await refusal(login(parts, them.username, OTHER_PASSWORD))
        await login(parts, them.username)
    assert (await refusal(login(parts, them.username, OTHER_PASSWORD))).code == Code.BAD_CREDENTIALS
    assert (await refusal(login(parts, them.username))).code == Code.RATE_LIMITED
    await login(parts, them.username, client=Client(ip="203.0.113.50"))


async def test_many_right_logins_at_once_are_all_let_in(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=3)
    them = await person(parts)
    answers = await together(*(login(parts, them.username) for _ in range(12)))
    assert not [answer for answer in answers if isinstance(answer, BaseException)]


async def test_off_is_no_limit(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account="off", logins_per_ip="off")
    them = await person(parts)
    answers = await together(*(login(parts, them.username, OTHER_PASSWORD) for _ in range(20)))
    assert {answer.code for answer in answers} == {Code.BAD_CREDENTIALS}


async def test_a_disabled_account_learns_it_only_with_its_password(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    await parts.use_cases.admin.update_user(
        AdminUpdateUser(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id, disabled=True)
    )
    assert (await refusal(login(parts, them.username, OTHER_PASSWORD))).code == Code.BAD_CREDENTIALS
    assert (await refusal(login(parts, them.username))).code == Code.FORBIDDEN


async def test_a_login_raises_an_old_hash_to_todays_cost(auth: Auth) -> None:
    old = await auth.replica()
    me = await register(old, unique())
    new = await auth.replica(hash_memory_kib=128)
    async with auth.transactions().begin() as store:
        before = await store.users.credential(me.id)
    await login(new, me.username)
    async with auth.transactions().begin() as store:
        after = await store.users.credential(me.id)
    assert before is not None
    assert after is not None
    assert "m=64," in before.password_hash
    assert "m=128," in after.password_hash
    await login(new, me.username)


async def test_a_password_changed_during_a_login_refuses_that_login(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old password was verified, and before the session is made the change commits: it must end all sessions but one."""
    parts, other = await auth.replica(), await auth.replica()
    them = await person(other)
    verify = parts.hasher.verify

    async def and_then_it_changes(stored: str | None, password: str | None) -> bool:
        right = await verify(stored, password)
        await other.use_cases.passwords.change_password(
            ChangePassword(actor=them.actor, current_password=PASSWORD, new_password=OTHER_PASSWORD)
        )
        return right

    monkeypatch.setattr(parts.hasher, "verify", and_then_it_changes)
    assert (await refusal(login(parts, them.username))).code == Code.BAD_CREDENTIALS
    assert await session_count(other, them) == 1


async def test_where_somebody_came_from_is_kept_without_what_cannot_be_stored(auth: Auth) -> None:
    parts = await auth.replica()
    me = await register(parts, unique())
    odd = Client(ip="198.51.100.7", user_agent="nul\0 and half \ud800" + "x" * 1000)
    await parts.use_cases.sessions.login(Login(username=me.username, password=PASSWORD, client=odd))
