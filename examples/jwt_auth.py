"""How another program trusts Parley's access tokens, and how a session renews its own.

Say that a billing service beside Parley gets requests with a user's access token. It needs no secret, and no call to Parley
for each request: the public keys at /.well-known/jwks.json tell it whose token it is. This program plays both parts, the user
and the service.

    make run                                    # in one terminal
    .venv/bin/python examples/jwt_auth.py       # in another; PARLEY_URL, if it is not http://127.0.0.1:8000
"""

import base64
import json
import os
import secrets
import time
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

URL = os.environ.get("PARLEY_URL", "http://127.0.0.1:8000").rstrip("/")
PASSWORD = "a passphrase for this example"


class Verifier:
    """What such a service holds: Parley's public keys by id, fetched once and again when an unknown id turns up."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        self._keys: dict[str, jwt.PyJWK] = {}

    def verify(self, token: str, *, audience: str = "parley", now: float | None = None) -> dict[str, Any]:
        """The claims: `sub` is the user, `sid` the session, `role` and `exp` speak for themselves.

        Raises jwt.PyJWTError. What is accepted is written here and never read from the token (RFC 8725): one algorithm, one
        type, one issuer, one audience.
        """
        header = jwt.get_unverified_header(token)
        if header.get("alg") != "EdDSA" or header.get("typ") != "at+jwt":
            raise jwt.InvalidAlgorithmError(f"alg {header.get('alg')}, typ {header.get('typ')}")
        claims: dict[str, Any] = jwt.decode(
            token,
            self._key(str(header.get("kid"))),
            algorithms=["EdDSA"],
            issuer="parley",
            audience=audience,
            # Compared below, so that `now` can be another time than this one.
            options={"require": ["exp", "iat", "iss", "aud", "sub", "sid", "role"], "verify_exp": False},
            leeway=30,
        )
        if claims["exp"] <= (time.time() if now is None else now):
            raise jwt.ExpiredSignatureError("expired")
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        # Parley publishes the next key two token lifetimes before its first use. A real service also fetches at most once in
        # 30 s, or else rubbish in `kid` becomes a flood of questions.
        if kid not in self._keys:
            answer = self._http.get(f"{URL}/.well-known/jwks.json").raise_for_status()
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in answer.json()["keys"]}
        if kid not in self._keys:
            raise jwt.InvalidKeyError(f"no key {kid}")
        return self._keys[kid]


def forge(token: str, **changed: Any) -> str:
    """The token with other claims and its old signature."""
    header, body, signature = token.split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(body + "==")), **changed}
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


def main() -> None:
    with httpx2.Client(timeout=10) as http:
        username = f"example-{secrets.token_hex(4)}"
        account = {"username": username, "password": PASSWORD}
        http.post(f"{URL}/api/v1/auth/register", json=account).raise_for_status()
        # OAuth2's password form: a form, not JSON.
        tokens = http.post(f"{URL}/api/v1/auth/token", data=account).raise_for_status().json()
        access = tokens["access_token"]
        print(f"{username} signed in; the access token lives {tokens['expires_in']} s")

        verifier = Verifier(http)
        claims = verifier.verify(access)
        print(f"accepted: user {claims['sub']}, session {claims['sid']}, role {claims['role']}")
        show_refusals(verifier, access, claims)
        show_rotation(http, verifier, tokens)


def show_refusals(verifier: Verifier, access: str, claims: dict[str, Any]) -> None:
    """Six tokens that must not pass."""
    header = {"typ": "at+jwt", "kid": jwt.get_unverified_header(access)["kid"]}
    unsigned = jwt.encode(claims, "", algorithm="none", headers=header)
    by_hmac = jwt.encode(claims, "whatever is public, as the public key is", algorithm="HS256", headers=header)
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("meant for another audience", access, {"audience": "billing"}),
        ("an hour later", access, {"now": time.time() + 3600}),
        ("alg none", unsigned, {}),
        ("signed by HMAC", by_hmac, {}),
        ("promoted to admin", forge(access, role="admin"), {}),
        ("of an unknown key", jwt.encode(claims, _stranger(), algorithm="EdDSA", headers={**header, "kid": "x"}), {}),
    ]
    for what, token, how in attempts:
        try:
            verifier.verify(token, **how)
        except jwt.PyJWTError as error:
            print(f"refused, {what}: {type(error).__name__}")
        else:
            raise SystemExit(f"a token that is {what} was accepted")


def _stranger() -> jwt.PyJWK:
    """A key pair that anybody can make."""
    private = jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    return jwt.PyJWK(private, algorithm="EdDSA")


def show_rotation(http: httpx2.Client, verifier: Verifier, tokens: dict[str, Any]) -> None:
    """A refresh token works once. Whoever uses an old one ends the session: one of the two who hold it has stolen it."""

    def refresh(token: str) -> httpx2.Response:
        return http.post(f"{URL}/api/v1/auth/refresh", json={"refresh_token": token})

    first = tokens["refresh_token"]
    second = refresh(first).raise_for_status().json()
    third = refresh(second["refresh_token"]).raise_for_status().json()
    session = verifier.verify(third["access_token"])["sid"]
    print(f"refreshed twice: a new refresh token each time, still session {session}")

    stolen = refresh(first)
    print(f"the first refresh token once more: {stolen.status_code} {stolen.json()['code']}")
    owner = refresh(third["refresh_token"])
    print(f"and the newest, since the session is over: {owner.status_code} {owner.json()['code']}")

    verifier.verify(third["access_token"])
    me = http.get(f"{URL}/api/v1/users/me", headers={"Authorization": f"Bearer {third['access_token']}"})
    print(f"its access token is still well signed until it expires, but Parley knows better: {me.status_code}")


if __name__ == "__main__":
    main()
