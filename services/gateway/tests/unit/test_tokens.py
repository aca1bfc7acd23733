"""RFC 8725: what a token says about itself is not believed before the key that we know has signed it."""

import asyncio
import base64
import json
from typing import Any, cast

import jwt
import pytest

from parley_gateway import tokens as tokens_module
from parley_gateway.tokens import TokenVerifier
from parley_shared.contracts import auth
from parley_shared.errors import Code, Refused
from parley_shared.messaging.rpc import RpcClient

from .harness import Clock, FakeRpc, Issuer


class Verified:
    """A verifier, its issuer, and what auth was asked."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.rpc = FakeRpc()
        self.rpc.on(auth.JWKS, lambda _request: self.issuer.jwks)
        self.clock = Clock()
        self.verifier = TokenVerifier(cast(RpcClient, self.rpc), clock=self.clock)

    @property
    def fetched(self) -> int:
        return len(self.rpc.requests(auth.JWKS))

    async def code(self, token: str) -> Code:
        with pytest.raises(Refused) as refused:
            await self.verifier.verify(token)
        return refused.value.code


@pytest.fixture
def v() -> Verified:
    return Verified()


async def test_a_good_token_says_who_and_until_when(v: Verified) -> None:
    claims = v.issuer.claims(role="moderator", ver=7)
    found = await v.verifier.verify(v.issuer.token(**claims))
    assert (str(found.user_id), str(found.session_id)) == (claims["sub"], claims["sid"])
    assert (found.role, found.ver, found.expires_at) == ("moderator", 7, claims["exp"])


def _unpadded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


async def test_a_token_signed_by_nobody_is_bad(v: Verified) -> None:
    header = {"alg": "none", "typ": "at+jwt", "kid": v.issuer.kid}
    token = f"{_unpadded(json.dumps(header).encode())}.{_unpadded(json.dumps(v.issuer.claims()).encode())}."
    assert await v.code(token) == Code.BAD_TOKEN


@pytest.mark.parametrize("pretended", ["HS256", "EdDSA"])
async def test_the_public_key_is_no_secret_to_sign_with(v: Verified, pretended: str) -> None:
    made = jwt.encode(
        v.issuer.claims(),
        v.issuer.public_bytes,
        "HS256",
        headers={"kid": v.issuer.kid, "typ": "at+jwt", "alg": "HS256"},
    )
    header, payload, signature = made.split(".")
    said = {**json.loads(base64.urlsafe_b64decode(header + "==")), "alg": pretended}
    assert await v.code(f"{_unpadded(json.dumps(said).encode())}.{payload}.{signature}") == Code.BAD_TOKEN


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "others"},
        {"aud": None},
        {"iss": "others"},
        {"iss": None},
        {"sub": None},
        {"sub": "alice"},
        {"sid": None},
        {"sid": "12"},
        {"ver": None},
        {"ver": "new"},
        {"role": None},
        {"role": "emperor"},
        {"exp": None},
        {"exp": "later"},
        {"iat": None},
        {"nbf": 2**33},
    ],
    ids=str,
)
async def test_a_claim_that_is_wrong_or_missing_makes_a_token_bad(v: Verified, changed: dict[str, Any]) -> None:
    assert await v.code(v.issuer.token(**changed)) == Code.BAD_TOKEN


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}, {"kid": None}, {"kid": "nobody"}], ids=str)
async def test_another_type_or_key_is_bad(v: Verified, header: dict[str, Any]) -> None:
    assert await v.code(v.issuer.token(header=header)) == Code.BAD_TOKEN


async def test_another_issuers_signature_under_our_kid_is_bad(v: Verified) -> None:
    assert await v.code(v.issuer.token(key=Issuer().private)) == Code.BAD_TOKEN


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "é", "\ud800", "x" * 5000])
async def test_rubbish_is_bad(v: Verified, token: str) -> None:
    assert await v.code(token) == Code.BAD_TOKEN


async def test_an_expired_token_says_so_also_when_it_was_good_before(v: Verified) -> None:
    token = v.issuer.token()
    await v.verifier.verify(token)
    v.clock.now += 601
    assert await v.code(token) == Code.TOKEN_EXPIRED
    assert await v.code(v.issuer.token(exp=int(v.clock.now) - 1)) == Code.TOKEN_EXPIRED


async def test_a_clock_slightly_ahead_of_ours_does_not_make_a_fresh_token_bad(v: Verified) -> None:
    await v.verifier.verify(v.issuer.token(iat=int(v.clock.now) + 5))
    assert await v.code(v.issuer.token(iat=int(v.clock.now) + 600)) == Code.BAD_TOKEN


async def test_a_token_is_verified_once(v: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    token = v.issuer.token()
    first = await v.verifier.verify(token)
    monkeypatch.setattr(tokens_module.jwt, "decode", lambda *_args, **_kw: pytest.fail("verified again"))
    assert await v.verifier.verify(token) is first


async def test_what_is_remembered_is_bounded(v: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "MOST_REMEMBERED", 3)
    for _ in range(10):
        await v.verifier.verify(v.issuer.token())
    assert len(v.verifier._seen) == 3


async def test_a_flood_of_unknown_kids_asks_auth_once_in_30_seconds(v: Verified) -> None:
    await v.verifier.verify(v.issuer.token())
    assert v.fetched == 1
    v.clock.now += 31
    for number in range(50):
        assert await v.code(v.issuer.token(header={"kid": f"kid-{number}"})) == Code.BAD_TOKEN
    assert v.fetched == 2


async def test_a_key_that_was_rotated_in_is_found(v: Verified) -> None:
    await v.verifier.verify(v.issuer.token())
    old, v.issuer = v.issuer, Issuer("key-2")
    v.rpc.on(auth.JWKS, auth.Jwks(keys=[old.jwk, v.issuer.jwk]))
    v.clock.now += 31
    await v.verifier.verify(v.issuer.token())
    await v.verifier.verify(old.token())


async def test_while_no_key_is_known_nobody_can_tell(v: Verified) -> None:
    del v.rpc.answers[auth.JWKS.subject]
    token = v.issuer.token()
    assert await v.code(token) == Code.UNAVAILABLE
    assert v.verifier.keys == []
    v.rpc.on(auth.JWKS, v.issuer.jwks)
    await v.verifier.verify(token)


async def test_known_keys_outlive_auth_and_an_empty_answer(v: Verified) -> None:
    await v.verifier.verify(v.issuer.token())
    del v.rpc.answers[auth.JWKS.subject]
    await v.verifier.fetch()
    v.rpc.on(auth.JWKS, auth.Jwks(keys=[]))
    await v.verifier.fetch()
    v.rpc.on(auth.JWKS, auth.Jwks(keys=[{"kty": "OKP"}, {"kid": "x", "kty": "nonsense"}]))
    await v.verifier.fetch()
    await v.verifier.verify(v.issuer.token())


async def test_all_who_wait_for_keys_share_one_question(v: Verified) -> None:
    async def slowly(_request: Any) -> auth.Jwks:
        await asyncio.sleep(0.05)
        return v.issuer.jwks

    v.rpc.on(auth.JWKS, slowly)
    await asyncio.gather(*(v.verifier.verify(v.issuer.token()) for _ in range(20)))
    assert v.fetched == 1


async def test_fetching_goes_on_after_a_surprise(v: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "REFRESH_S", 0.01)
    answers = iter([RuntimeError("a surprise")])

    def answer(_request: Any) -> auth.Jwks:
        for error in answers:
            raise error
        return v.issuer.jwks

    v.rpc.on(auth.JWKS, answer)
    task = asyncio.create_task(v.verifier.keep_fresh())
    async with asyncio.timeout(3):
        while not v.verifier.keys:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
