import asyncio

import jwt
import pytest

from parley_auth.store.revocations import Revoked
from parley_shared.contracts.auth import Logout, Revocation, RevokedSince
from parley_shared.contracts.base import Empty
from parley_shared.errors import Code
from parley_shared.ids import new_id

from .harness import Auth, login, person, refresh, refusal

DAY = 86400


async def kids(parts: object) -> list[str]:
    return [key["kid"] for key in (await parts.use_cases.trust.jwks(Empty())).keys]  # type: ignore[attr-defined]


async def test_tokens_are_verified_with_the_published_keys(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    [key] = (await parts.use_cases.trust.jwks(Empty())).keys
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    header = jwt.get_unverified_header(them.tokens.access_token)
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key["kid"]}
    claims = jwt.decode(
        them.tokens.access_token, jwt.PyJWK(key), algorithms=["EdDSA"], audience="parley", issuer="parley"
    )
    assert claims["exp"] - claims["iat"] == 600 == them.tokens.expires_in
    assert set(claims) == {"iss", "aud", "sub", "sid", "ver", "role", "iat", "exp", "jti"}


async def test_replicas_that_start_at_once_make_one_key(auth: Auth) -> None:
    replicas = await asyncio.gather(*(auth.replica() for _ in range(4)))
    found = {tuple(await kids(parts)) for parts in replicas}
    assert len(found) == 1
    assert len(found.pop()) == 1


async def test_the_next_key_is_published_two_lifetimes_before_its_use(auth: Auth) -> None:
    first = await kids(await auth.replica())
    assert await kids(await auth.replica(clock_shift_s=30 * DAY - 1250)) == first
    early = await auth.replica(clock_shift_s=30 * DAY - 1190)
    both = await kids(early)
    assert len(both) == 2
    assert both[0] == first[0]
    them = await person(early)
    assert jwt.get_unverified_header(them.tokens.access_token)["kid"] == first[0]
    # The switch: two replicas agree on it without a word, and the previous key still verifies what it signed.
    for _ in range(2):
        after = await auth.replica(clock_shift_s=30 * DAY + 30)
        pair = await login(after, them.username)
        assert jwt.get_unverified_header(pair.tokens.access_token)["kid"] == both[1]
        assert await kids(after) == both
    # The previous key goes when the last token that it signed is dead.
    assert await kids(await auth.replica(clock_shift_s=30 * DAY + 560)) == both
    assert await kids(await auth.replica(clock_shift_s=30 * DAY + 700)) == both[1:]


async def test_a_suite_that_slept_over_its_rotation_still_gives_notice(auth: Auth) -> None:
    first = await kids(await auth.replica())
    late = await auth.replica(clock_shift_s=45 * DAY)
    both = await kids(late)
    assert len(both) == 2
    them = await person(late)
    assert jwt.get_unverified_header(them.tokens.access_token)["kid"] == first[0]
    switched = await auth.replica(clock_shift_s=45 * DAY + 1210)
    pair = await login(switched, them.username)
    assert jwt.get_unverified_header(pair.tokens.access_token)["kid"] == both[1]


async def test_a_running_replica_learns_of_a_key_that_another_made(auth: Auth) -> None:
    """With a lifetime of five seconds what it has read is good for five, and the next key signs ten after it was made."""
    quick = {"access_lifetime_s": 5, "key_rotation_days": 60 / DAY}
    await auth.replica(**quick)
    other = await auth.replica(clock_shift_s=55, **quick)
    late = await auth.replica(clock_shift_s=66, **quick)
    them = await person(late)
    assert jwt.get_unverified_header(them.tokens.access_token)["kid"] == (await kids(other))[-1]


async def test_sealed_keys_open_with_their_secret_alone(auth: Auth) -> None:
    clear = await auth.replica()
    them = await person(clear)
    sealed = await auth.replica(key_secret="a long secret of the operator")  # seals what lay in clear
    assert await kids(sealed) == await kids(clear)
    async with auth.transactions().begin() as store:
        [row] = await store.keys.all()
    assert row.sealed
    assert len(row.private_key) == 12 + 32 + 16
    pair = await refresh(sealed, them.tokens.refresh_token)
    assert pair.access_token
    for secret in (None, "another secret"):
        with pytest.raises(ValueError, match="PARLEY_AUTH_KEY_SECRET"):
            await auth.replica(key_secret=secret)


async def test_cursors_have_no_holes_while_many_write(auth: Auth) -> None:
    """A reader that follows by cursor sees every row, although the writers commit in any order they like."""
    transactions = auth.transactions()
    replicas = [await auth.replica(pool_size=8) for _ in range(2)]
    trust = replicas[0].use_cases.trust
    start = (await trust.revoked_since(RevokedSince(cursor=0))).cursor
    written = 120

    async def write(number: int) -> None:
        people = await person(replicas[number % 2])
        await replicas[number % 2].use_cases.sessions.logout(Logout(refresh_token=people.tokens.refresh_token))

    async def bulk(number: int) -> None:
        async with transactions.begin() as store:
            now = await store.now()
            await store.revocations.add([Revoked(new_id(), None, 2, "renew") for _ in range(number % 3 + 1)], now)
            await asyncio.sleep(0.001 * (number % 4))  # the commit comes late, and others are waiting

    seen: list[Revocation] = []
    done = asyncio.Event()

    async def read() -> None:
        cursor = start
        while True:
            last = done.is_set()
            page = await trust.revoked_since(RevokedSince(cursor=cursor))
            seen.extend(page.items)
            cursor = page.cursor
            if last and not page.more:
                return
            await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(n) if n % 6 == 0 else bulk(n) for n in range(written)))
    done.set()
    await reader
    async with transactions.begin() as store:
        head = await store.revocations.head()
    assert [row.cursor for row in seen] == list(range(start + 1, head + 1))


async def test_revocations_are_paged(auth: Auth) -> None:
    parts = await auth.replica()
    async with auth.transactions().begin() as store:
        await store.revocations.add([Revoked(new_id(), None, 2, "end") for _ in range(2500)], await store.now())
    cursor, sizes = 0, []
    while True:
        page = await parts.use_cases.trust.revoked_since(RevokedSince(cursor=cursor))
        sizes.append((len(page.items), page.more))
        cursor = page.cursor
        if not page.more:
            break
    assert sizes == [(1000, True), (1000, True), (500, False)]
    assert (await parts.use_cases.trust.revoked_since(RevokedSince(cursor=cursor))).items == []


async def test_cursor_0_begins_with_what_can_still_matter(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    await parts.use_cases.sessions.logout(Logout(refresh_token=them.tokens.refresh_token))
    first = await parts.use_cases.trust.revoked_since(RevokedSince(cursor=0))
    assert len(first.items) == 1
    later = await auth.replica(clock_shift_s=1201)
    empty = await later.use_cases.trust.revoked_since(RevokedSince(cursor=0))
    assert (empty.items, empty.cursor, empty.more) == ([], first.cursor, False)
    # A cursor from another life of the database begins again.
    again = await parts.use_cases.trust.revoked_since(RevokedSince(cursor=first.cursor + 1000))
    assert again.items == first.items


async def test_a_token_of_an_ended_session_cannot_come_back(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    await parts.use_cases.sessions.logout(Logout(refresh_token=them.tokens.refresh_token))
    far = await auth.replica(clock_shift_s=3 * DAY)
    await far.jobs.clean()
    assert (await refusal(refresh(parts, them.tokens.refresh_token))).code == Code.BAD_TOKEN
    async with auth.transactions().begin() as store:
        assert await store.revocations.after(0, since=(await store.now()).replace(year=2000), limit=10) == []
