from datetime import UTC, datetime

from parley_shared.contracts.auth import AdminResetCode, ChangePassword, Client, Empty, ResetPassword, RevokedSince
from parley_shared.errors import Code, Refused

from .harness import HOME, OTHER_PASSWORD, PASSWORD, Auth, Person, admin, login, person, refresh, refusal, together

THIRD_PASSWORD = "nine black terns at noon"


def change(who: Person, current: str, new: str) -> ChangePassword:
    return ChangePassword(actor=who.actor, current_password=current, new_password=new)


async def test_a_change_ends_the_other_sessions_and_renews_ones_own(auth: Auth) -> None:
    parts = await auth.replica()
    phone = await person(parts)
    desk = await login(parts, phone.username)
    await parts.use_cases.passwords.change_password(change(phone, PASSWORD, OTHER_PASSWORD))
    assert (await refusal(refresh(parts, desk.tokens.refresh_token))).code == Code.BAD_TOKEN
    renewed = Person(phone.username, await refresh(parts, phone.tokens.refresh_token))
    assert renewed.claims["ver"] == 2
    assert (await refusal(login(parts, phone.username, PASSWORD))).code == Code.BAD_CREDENTIALS
    await login(parts, phone.username, OTHER_PASSWORD)
    rows = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))).items
    assert [(row.session_id, row.min_ver, row.kind) for row in rows] == [
        (desk.tokens.session_id, 0, "end"),
        (None, 2, "renew"),
    ]


async def test_a_wrong_current_password_is_said_clearly_and_counts_as_a_failed_login(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=2)
    them = await person(parts)
    for _ in range(2):
        refused = await refusal(parts.use_cases.passwords.change_password(change(them, OTHER_PASSWORD, THIRD_PASSWORD)))
        assert (refused.code, refused.detail) == (Code.BAD_CREDENTIALS, "The current password is wrong.")
    right = parts.use_cases.passwords.change_password(change(them, PASSWORD, THIRD_PASSWORD))
    assert (await refusal(right)).code == Code.RATE_LIMITED
    assert (await refusal(login(parts, them.username))).code == Code.RATE_LIMITED


async def test_a_weak_new_password_is_refused_before_anything_is_counted(auth: Auth) -> None:
    parts = await auth.replica(logins_per_account=1)
    them = await person(parts)
    for new in ("short", "123456789012345"):
        refused = await refusal(parts.use_cases.passwords.change_password(change(them, OTHER_PASSWORD, new)))
        assert refused.code == Code.WEAK_PASSWORD
        assert refused.errors is not None
        assert set(refused.errors) == {"new_password"}
    await login(parts, them.username)


async def test_a_session_that_was_ended_cannot_change_the_password(auth: Auth) -> None:
    parts = await auth.replica()
    phone = await person(parts)
    desk = await login(parts, phone.username)
    await parts.use_cases.passwords.change_password(change(phone, PASSWORD, OTHER_PASSWORD))
    late = parts.use_cases.passwords.change_password(change(desk, OTHER_PASSWORD, THIRD_PASSWORD))
    assert (await refusal(late)).code == Code.BAD_TOKEN


async def test_of_two_changes_at_once_one_wins(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    phone = await person(replicas[0])
    desk = await login(replicas[0], phone.username)
    answers = await together(
        replicas[0].use_cases.passwords.change_password(change(phone, PASSWORD, OTHER_PASSWORD)),
        replicas[1].use_cases.passwords.change_password(change(desk, PASSWORD, THIRD_PASSWORD)),
    )
    assert sum(isinstance(answer, Empty) for answer in answers) == 1
    assert sum(isinstance(answer, Refused) for answer in answers) == 1


async def test_an_admins_code_sets_a_password_once_and_ends_every_session(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    asked = AdminResetCode(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id)
    given = await parts.use_cases.admin.reset_code(asked)
    assert 23.9 < (given.expires_at - datetime.now(UTC)).total_seconds() / 3600 <= 24
    reset = ResetPassword(code=given.code, new_password=OTHER_PASSWORD, client=HOME)
    answers = await together(*(parts.use_cases.passwords.reset_password(reset) for _ in range(3)))
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == [Code.BAD_CODE] * 2
    assert (await refusal(refresh(parts, them.tokens.refresh_token))).code == Code.BAD_TOKEN
    await login(parts, them.username, OTHER_PASSWORD)
    rows = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))).items
    assert [(row.user_id, row.session_id, row.min_ver, row.kind) for row in rows] == [(them.id, None, 2, "end")]


async def test_a_newer_code_voids_the_older_and_a_weak_password_leaves_it_good(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    asked = AdminResetCode(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id)
    old, new = [await parts.use_cases.admin.reset_code(asked) for _ in range(2)]

    def reset(code: str, password: str) -> ResetPassword:
        return ResetPassword(code=code, new_password=password, client=HOME)

    verb = parts.use_cases.passwords.reset_password
    assert (await refusal(verb(reset(old.code, OTHER_PASSWORD)))).code == Code.BAD_CODE
    assert (await refusal(verb(reset(new.code, "short")))).code == Code.WEAK_PASSWORD
    await verb(reset(new.code, OTHER_PASSWORD))


async def test_a_code_expires_after_a_day(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts)
    asked = AdminResetCode(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id)
    given = await parts.use_cases.admin.reset_code(asked)
    later = await auth.replica(clock_shift_s=86400 + 1)
    late = later.use_cases.passwords.reset_password(
        ResetPassword(code=given.code, new_password=OTHER_PASSWORD, client=HOME)
    )
    assert (await refusal(late)).code == Code.BAD_CODE


async def test_guessing_codes_is_throttled_by_address(auth: Auth) -> None:
    parts = await auth.replica(logins_per_ip=3)
    guess = ResetPassword(code="a guess", new_password=OTHER_PASSWORD, client=HOME)
    codes = [(await refusal(parts.use_cases.passwords.reset_password(guess))).code for _ in range(4)]
    assert codes == [Code.BAD_CODE] * 3 + [Code.RATE_LIMITED]
    elsewhere = ResetPassword(code="a guess", new_password=OTHER_PASSWORD, client=Client(ip="203.0.113.77"))
    assert (await refusal(parts.use_cases.passwords.reset_password(elsewhere))).code == Code.BAD_CODE
