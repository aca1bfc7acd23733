from datetime import UTC, datetime

import pytest

from parley_shared.contracts.auth import AdminInvite, Client, Register
from parley_shared.errors import Code, Refused

from .harness import HOME, PASSWORD, Auth, admin, login, operator_code, person, refusal, register, together, unique


async def test_who_registers_can_log_in(auth: Auth) -> None:
    parts = await auth.replica()
    me = await register(parts, unique("Ada"))
    assert (me.role, me.rev, me.read_receipts, me.display_name) == ("user", 1, True, me.username)
    them = await login(parts, me.username.upper())
    assert them.id == me.id
    assert them.claims["ver"] == 1
    assert them.claims["role"] == "user"


async def test_of_many_who_want_one_name_exactly_one_gets_it(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    name = unique("wanted")
    answers = await together(*(register(replicas[n % 2], name.upper() if n % 3 else name.lower()) for n in range(12)))
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == [Code.USERNAME_TAKEN] * 11


@pytest.mark.parametrize("name", ["Straße", "ＦＵＬＬ", "ÅNGSTRÖM"])
async def test_names_that_fold_to_the_same_are_the_same(auth: Auth, name: str) -> None:
    parts = await auth.replica()
    await register(parts, name)
    for other in (name.upper(), name.lower(), name.casefold()):
        assert (await refusal(register(parts, other))).code == Code.USERNAME_TAKEN


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a", Code.INVALID),
        ("a" * 33, Code.INVALID),
        ("two words", Code.INVALID),
        ("a/b", Code.INVALID),
        ("all", Code.INVALID),
        ("nu\0l", Code.BAD_TEXT),
        ("half\ud800", Code.BAD_TEXT),
    ],
)
async def test_bad_names_are_refused(auth: Auth, name: str, code: Code) -> None:
    parts = await auth.replica()
    assert (await refusal(register(parts, name))).code == code


async def test_registrations_of_one_address_are_counted_over_all_replicas(auth: Auth) -> None:
    replicas = [await auth.replica(registrations_per_ip=5) for _ in range(2)]
    answers = await together(*(register(replicas[n % 2], unique()) for n in range(9)))
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert {answer.code for answer in refused} == {Code.RATE_LIMITED}
    assert len(refused) == 4
    assert all(answer.retry_after_ms and 3_590_000 < answer.retry_after_ms <= 3_600_000 for answer in refused)
    await register(replicas[0], unique(), client=Client(ip="203.0.113.9"))


async def test_waiting_as_long_as_told_lets_the_next_registration_in(auth: Auth) -> None:
    parts = await auth.replica(registrations_per_ip=1)
    await register(parts, unique())
    wait = (await refusal(register(parts, unique()))).retry_after_ms
    assert wait is not None
    later = await auth.replica(registrations_per_ip=1, clock_shift_s=wait / 1000)
    await register(later, unique())


async def test_a_refused_registration_does_not_count(auth: Auth) -> None:
    parts = await auth.replica(registrations_per_ip=2)
    me = await register(parts, unique())
    for _ in range(3):
        assert (await refusal(register(parts, me.username))).code == Code.USERNAME_TAKEN
    await register(parts, unique())


async def test_ipv6_addresses_of_one_customer_are_one(auth: Auth) -> None:
    parts = await auth.replica(registrations_per_ip=1)
    await register(parts, unique(), client=Client(ip="2001:db8:1:2::1"))
    neighbour = register(parts, unique(), client=Client(ip="2001:db8:1:2:ffff::2"))
    assert (await refusal(neighbour)).code == Code.RATE_LIMITED
    await register(parts, unique(), client=Client(ip="2001:db8:1:3::1"))


async def test_an_invitation_works_once_even_for_two_at_once(auth: Auth) -> None:
    parts = await auth.replica(registration="invite")
    boss = await admin(parts)
    assert (await refusal(register(parts, unique()))).code == Code.BAD_INVITE
    assert (await refusal(register(parts, unique(), invite="guessed"))).code == Code.BAD_INVITE
    given = await parts.use_cases.admin.invite(AdminInvite(actor=boss.actor, token=boss.tokens.access_token))
    assert 6.9 < (given.expires_at - datetime.now(UTC)).total_seconds() / 86400 <= 7
    answers = await together(*(register(parts, unique(), invite=given.code) for _ in range(4)))
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == [Code.BAD_INVITE] * 3


async def test_an_invitation_expires(auth: Auth) -> None:
    parts = await auth.replica(registration="invite")
    boss = await admin(parts)
    given = await parts.use_cases.admin.invite(AdminInvite(actor=boss.actor, token=boss.tokens.access_token))
    later = await auth.replica(registration="invite", clock_shift_s=7 * 86400 + 1)
    assert (await refusal(register(later, unique(), invite=given.code))).code == Code.BAD_INVITE


async def test_a_name_that_is_taken_leaves_the_invitation_good(auth: Auth) -> None:
    parts = await auth.replica(registration="invite")
    boss = await admin(parts)
    given = await parts.use_cases.admin.invite(AdminInvite(actor=boss.actor, token=boss.tokens.access_token))
    assert (await refusal(register(parts, boss.username, invite=given.code))).code == Code.USERNAME_TAKEN
    await register(parts, unique(), invite=given.code)


async def test_the_operators_code_makes_one_admin_where_registration_is_closed(auth: Auth) -> None:
    parts = await auth.replica(registration="closed", registrations_per_ip=1)
    code = operator_code()
    first = await register(parts, unique(), invite=code)
    assert first.role == "admin"
    assert (await refusal(register(parts, unique(), invite=code))).code == Code.BAD_INVITE
    # Exempt from the throttle: an operator is not a stranger.
    assert (await register(parts, unique(), invite=operator_code())).role == "admin"
    assert (await refusal(register(parts, unique()))).code == Code.REGISTRATION_CLOSED
    assert (await refusal(register(parts, unique(), invite="whatever"))).code == Code.REGISTRATION_CLOSED


async def test_operator_codes_that_are_old_forged_or_unwanted_are_refused(auth: Auth) -> None:
    parts = await auth.replica()
    good = operator_code()
    for bad in (operator_code(expires_at=1), good[:-2] + "AA", good.replace("op1.", "op1.x"), "op1...", "op1.a.b.c"):
        assert (await refusal(register(parts, unique(), invite=bad))).code == Code.BAD_INVITE
    without_key = await auth.replica(operator_key=None)
    assert (await refusal(register(without_key, unique(), invite=good))).code == Code.BAD_INVITE


@pytest.mark.parametrize("password", ["short", "qwertyuiop12345", "aaaaaaaaaaaaaaaaaaaa", "parleyparleyparley"])
async def test_weak_passwords_say_what_is_wrong(auth: Auth, password: str) -> None:
    parts = await auth.replica()
    weak = await refusal(
        parts.use_cases.registration.register(Register(username=unique(), password=password, client=HOME))
    )
    assert weak.code == Code.WEAK_PASSWORD
    assert weak.errors is not None
    assert "password" in weak.errors


async def test_refusals_cost_no_hash(auth: Auth) -> None:
    parts = await auth.replica(registration="open")
    them = await person(parts)
    before = parts.hasher.calls
    await refusal(register(parts, them.username))
    await refusal(register(parts, unique(), invite="guessed"))
    await refusal(
        parts.use_cases.registration.register(Register(username=unique(), password=PASSWORD[:3], client=HOME))
    )
    assert parts.hasher.calls == before
