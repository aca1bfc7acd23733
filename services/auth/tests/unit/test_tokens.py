import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from parley_auth.domain import keys
from parley_auth.domain.keys import Sealer, SigningKey, new_key
from parley_auth.domain.tokens import Claims, sign, verify
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(minutes=10)
ROTATION = timedelta(days=30)
KEY = new_key(NOW)
PUBLIC = {KEY.kid: KEY.private.public_key()}
CLAIMS = Claims(new_id(), new_id(), 3, "moderator")
HEADER = {"typ": "at+jwt", "kid": KEY.kid}


def payload(**changed: Any) -> dict[str, Any]:
    issued = int(NOW.timestamp())
    whole = {
        "iss": "parley", "aud": "parley", "sub": str(CLAIMS.user_id), "sid": str(CLAIMS.session_id),
        "ver": 3, "role": "user", "iat": issued, "exp": issued + 600, "jti": "x",
    }  # fmt: skip
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


def code_of(token: str, now: datetime = NOW) -> Code:
    with pytest.raises(Refused) as refused:
        verify(token, PUBLIC, now)
    return refused.value.code


def test_a_token_says_what_it_was_given_for_as_long_as_it_lives() -> None:
    token = sign(CLAIMS, KEY, now=NOW, lifetime=LIFETIME)
    assert verify(token, PUBLIC, NOW) == CLAIMS
    assert verify(token, PUBLIC, NOW + timedelta(seconds=599)) == CLAIMS
    assert code_of(token, NOW + timedelta(seconds=600)) == Code.TOKEN_EXPIRED


def test_two_tokens_of_one_moment_differ() -> None:
    assert sign(CLAIMS, KEY, now=NOW, lifetime=LIFETIME) != sign(CLAIMS, KEY, now=NOW, lifetime=LIFETIME)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "other"}, {"aud": "other"}, {"sub": "nobody"}, {"sid": "none"}, {"ver": "x"}, {"role": "king"},
        {"exp": "soon"}, {"exp": None}, {"sid": None}, {"ver": None}, {"jti": None}, {"iss": None}, {"aud": None},
    ],
)  # fmt: skip
def test_wrong_claims_are_refused(changed: dict[str, Any]) -> None:
    assert code_of(jwt.encode(payload(**changed), KEY.private, algorithm="EdDSA", headers=HEADER)) == Code.BAD_TOKEN


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"kid": "unknown"}, {"typ": None}])
def test_wrong_headers_are_refused(header: dict[str, Any]) -> None:
    token = jwt.encode(payload(), KEY.private, algorithm="EdDSA", headers={**HEADER, **header})
    assert code_of(token) == Code.BAD_TOKEN


def test_no_algorithm_and_another_algorithm_are_refused() -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    unsigned = f"{part({**HEADER, 'alg': 'none'})}.{part(payload())}."
    pem = KEY.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    import hashlib
    import hmac

    body = f"{part({**HEADER, 'alg': 'HS256'})}.{part(payload())}"
    mac = base64.urlsafe_b64encode(hmac.new(pem, body.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    for token in (unsigned, f"{body}.{mac}", "", "..", "a.b.c", "half \ud800"):
        assert code_of(token) == Code.BAD_TOKEN


def test_a_changed_signature_or_another_key_is_refused() -> None:
    token = jwt.encode(payload(), KEY.private, algorithm="EdDSA", headers=HEADER)
    head, body, signature = token.split(".")
    assert (
        code_of(f"{head}.{body}.{'A' + signature[1:] if signature[0] != 'A' else 'B' + signature[1:]}")
        == Code.BAD_TOKEN
    )
    assert code_of(jwt.encode(payload(), new_key(NOW).private, algorithm="EdDSA", headers=HEADER)) == Code.BAD_TOKEN


def test_a_kid_is_the_keys_thumbprint() -> None:
    """RFC 8037, appendix A.3."""
    private = keys.Ed25519PrivateKey.from_private_bytes(
        base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    )
    assert keys._thumbprint(private) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_sealed_key_opens_with_its_secret_and_its_id_only() -> None:
    sealer = Sealer("secret")
    stored = sealer.seal(KEY, b"twelve bytes")
    opened = sealer.open(KEY.kid, NOW, stored, sealed=True)
    assert opened.private.private_bytes_raw() == KEY.private.private_bytes_raw()
    for other, kid in ((Sealer("other"), KEY.kid), (Sealer(None), KEY.kid), (sealer, "another id")):
        with pytest.raises(ValueError, match="PARLEY_AUTH_KEY_SECRET"):
            other.open(kid, NOW, stored, sealed=True)


@given(st.lists(st.floats(min_value=1, max_value=50_000), min_size=1, max_size=200))
def test_whenever_the_rotation_runs_every_key_gives_notice_and_outlives_its_tokens(pauses: list[float]) -> None:
    """pauses: minutes between two runs, from a minute to a month."""
    ring: list[SigningKey] = []
    published_at: dict[str, datetime] = {}
    now = NOW
    for pause in pauses:
        signer_before = keys.current(ring, now)
        use_from = keys.next_use(ring, now, lifetime=LIFETIME, rotation=ROTATION)
        if use_from is not None:
            key = new_key(use_from)
            ring.append(key)
            published_at[key.kid] = now
            if len(ring) > 1:
                assert use_from - now >= 2 * LIFETIME
        gone = keys.dead(ring, now, LIFETIME)
        for key in gone:
            younger = min(other.use_from for other in ring if other.use_from > key.use_from)
            assert younger + LIFETIME <= now
        ring = [key for key in ring if key not in gone]
        signer = keys.current(ring, now)
        assert signer is not None
        assert signer_before is None or signer is signer_before
        assert sum(key.use_from > now for key in ring) <= 1
        now += timedelta(minutes=pause)


def test_a_secret_is_changed_while_both_open() -> None:
    old, both, new = Sealer("old"), Sealer("new,old"), Sealer("new")
    before = old.seal(KEY, bytes(12))
    assert both.open(KEY.kid, KEY.use_from, before, sealed=True).kid == KEY.kid
    assert not both.is_todays(KEY.kid, before, sealed=True)
    after = both.seal(KEY, bytes(12))
    assert both.is_todays(KEY.kid, after, sealed=True)
    assert new.open(KEY.kid, KEY.use_from, after, sealed=True).kid == KEY.kid
    with pytest.raises(ValueError, match="is not the secret"):
        old.open(KEY.kid, KEY.use_from, after, sealed=True)
    assert not new.is_todays(KEY.kid, KEY.private.private_bytes_raw(), sealed=False)
    assert Sealer(None).is_todays(KEY.kid, KEY.private.private_bytes_raw(), sealed=False)
