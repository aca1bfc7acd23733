import asyncio

from parley_shared.contracts.auth import EndSession, Logout, OnlyActor, RevokedSince
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import Auth, login, person, refresh, refusal, session_count, together


async def test_a_refresh_token_gives_a_new_pair_and_the_chain_goes_on(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    token, seen = them.tokens.refresh_token, {them.tokens.refresh_token}
    for _ in range(5):
        pair = await refresh(parts, token)
        assert pair.session_id == them.tokens.session_id
        token = pair.refresh_token
        seen.add(token)
    assert len(seen) == 6


async def test_a_lost_answer_may_be_asked_for_once_more(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    await refresh(parts, them.tokens.refresh_token)  # the answer is lost
    again = await refresh(parts, them.tokens.refresh_token)
    await refresh(parts, again.refresh_token)


async def test_one_token_used_by_many_at_once_gives_each_a_pair(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    them = await person(replicas[0])
    answers = await together(*(refresh(replicas[n % 2], them.tokens.refresh_token) for n in range(6)))
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    for answer in answers:
        await refresh(replicas[0], answer.refresh_token)


async def test_reuse_after_the_grace_ends_the_whole_family(auth: Auth) -> None:
    parts = await auth.replica()
    later = await auth.replica(clock_shift_s=10.5)
    them = await person(parts)
    fresh = await refresh(parts, them.tokens.refresh_token)
    assert (await refusal(refresh(later, them.tokens.refresh_token))).code == Code.BAD_TOKEN
    assert (await refusal(refresh(parts, fresh.refresh_token))).code == Code.BAD_TOKEN
    revoked = (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))).items
    assert [(row.session_id, row.kind) for row in revoked] == [(them.tokens.session_id, "end")]


async def test_reuse_within_the_grace_is_theft_once_the_answer_was_used(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    second = await refresh(parts, them.tokens.refresh_token)
    third = await refresh(parts, second.refresh_token)
    assert (await refusal(refresh(parts, them.tokens.refresh_token))).code == Code.BAD_TOKEN
    assert (await refusal(refresh(parts, third.refresh_token))).code == Code.BAD_TOKEN


async def test_a_session_slides_for_thirty_days_and_then_is_over(auth: Auth) -> None:
    parts = await auth.replica()
    day = 86400
    them = await person(parts)
    in_29_days = await auth.replica(clock_shift_s=29 * day)
    pair = await refresh(in_29_days, them.tokens.refresh_token)
    in_58_days = await auth.replica(clock_shift_s=58 * day)
    pair = await refresh(in_58_days, pair.refresh_token)
    in_89_days = await auth.replica(clock_shift_s=89 * day)
    assert (await refusal(refresh(in_89_days, pair.refresh_token))).code == Code.BAD_TOKEN
    await in_89_days.jobs.clean()
    assert await session_count(parts, them) == 0


async def test_what_was_never_a_token_is_refused(auth: Auth) -> None:
    parts = await auth.replica()
    for text in ("", "x", "nul\0", "half\ud800", "y" * 10_000):
        assert (await refusal(refresh(parts, text))).code == Code.BAD_TOKEN


async def test_logout_ends_the_session_and_succeeds_again(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    for _ in range(2):
        await parts.use_cases.sessions.logout(Logout(refresh_token=them.tokens.refresh_token))
    await parts.use_cases.sessions.logout(Logout(refresh_token="never was one"))
    assert (await refusal(refresh(parts, them.tokens.refresh_token))).code == Code.BAD_TOKEN
    revoked = await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))
    assert [(row.session_id, row.kind) for row in revoked.items] == [(them.tokens.session_id, "end")]


async def test_sessions_are_listed_with_the_present_one_marked(auth: Auth) -> None:
    parts = await auth.replica()
    phone = await person(parts)
    desk = await login(parts, phone.username)
    listed = (await parts.use_cases.sessions.sessions(OnlyActor(actor=phone.actor))).items
    assert [(row.id, row.current) for row in listed] == [
        (desk.tokens.session_id, False),
        (phone.tokens.session_id, True),
    ]
    assert {(row.ip, row.user_agent) for row in listed} == {("198.51.100.7", "tests/1.0")}


async def test_one_ends_ones_own_sessions_and_nobody_elses(auth: Auth) -> None:
    parts = await auth.replica()
    phone, stranger = await person(parts), await person(parts)
    desk = await login(parts, phone.username)
    end = parts.use_cases.sessions.end_session
    for session_id in (desk.tokens.session_id, new_id()):
        refused = await refusal(end(EndSession(actor=stranger.actor, session_id=session_id)))
        assert (refused.code, refused.detail) == (Code.NOT_FOUND, "There is no such session, or you may not see it.")
    for _ in range(2):
        await end(EndSession(actor=phone.actor, session_id=desk.tokens.session_id))
    assert (await refusal(refresh(parts, desk.tokens.refresh_token))).code == Code.BAD_TOKEN
    await refresh(parts, phone.tokens.refresh_token)


async def test_a_refresh_and_the_end_of_its_session_meet_without_harm(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    for _ in range(10):
        them = await person(replicas[0])
        pair, _ = await together(
            refresh(replicas[0], them.tokens.refresh_token),
            replicas[1].use_cases.sessions.logout(Logout(refresh_token=them.tokens.refresh_token)),
        )
        if not isinstance(pair, Refused):
            assert (await refusal(refresh(replicas[1], pair.refresh_token))).code == Code.BAD_TOKEN


async def test_cleaning_leaves_the_living_alone(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    pair = await refresh(parts, them.tokens.refresh_token)
    await asyncio.gather(parts.jobs.clean(), parts.jobs.clean())
    await refresh(parts, pair.refresh_token)
