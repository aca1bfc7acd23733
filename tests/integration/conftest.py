import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.conftest import Suite
from tests.protocol_client import Person, close_everything

NewPerson = Callable[..., Awaitable[Person]]


@pytest.fixture
async def person(suite: Suite) -> AsyncIterator[NewPerson]:
    """`await person()` registers somebody new at the first gateway, `await person(1)` at the second."""

    async def new(gateway: int = 0, **more: object) -> Person:
        somebody = Person(suite.urls[gateway], f"u{secrets.token_hex(6)}")
        await somebody.register(**more)
        return somebody

    yield new
    await close_everything()


@pytest.fixture(autouse=True)
async def _nothing_left_open() -> AsyncIterator[None]:
    yield
    await close_everything()


def invitation(suite: Suite) -> str:
    """An operator's, good once: who registers with it is an admin."""
    key = (suite.home / "secrets" / "operator-key").read_text().strip()
    body = f"op1.{secrets.token_urlsafe(12)}.{int(time.time()) + 600}"
    digest = hmac.new(key.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.fixture
async def admin(suite: Suite, person: NewPerson) -> Person:
    return await person(invite=invitation(suite))
