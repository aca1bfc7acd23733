"""What the suite says of itself when it is asked to verify: part of what every fault test checks in the end."""

import asyncio
import secrets
from typing import Any

from tests.conftest import Suite
from tests.faults.checker import Finding
from tests.integration.conftest import invitation
from tests.protocol_client import Person

PARTS = ("rooms", "people", "index")
PATIENCE_S = 60.0
"""For a service that is only just coming back, or an index that is being built anew."""


async def verified(suite: Suite) -> list[Finding]:
    """All divergences between log, state, index, images and unread counts, and between database and bucket."""
    admin = await Person(suite.urls[0], f"u{secrets.token_hex(6)}").register(invite=invitation(suite))
    found: list[Finding] = []
    for part in PARTS:
        async for step in _steps(admin, f"/admin/verify/{part}"):
            found += [
                Finding("diverged", f"{item['kind']} {item['stream']} {item['seq']}: {item['detail']}")
                for item in step["divergences"]
            ]
    async for step in _steps(admin, "/admin/media/check"):
        found += [Finding("diverged", f"{name} is not in the bucket") for name in step["missing"]]
    await admin.http.aclose()
    return found


async def _steps(admin: Person, path: str) -> Any:
    params: dict[str, str] = {}
    while True:
        step = await _asked(admin, path, params)
        yield step
        if step["next"] is None:
            return
        params = {"cursor": step["next"]}


async def _asked(admin: Person, path: str, params: dict[str, str]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await admin.http.get(path, params=params, timeout=PATIENCE_S)
            if answer.status_code != 503:
                break
            await asyncio.sleep(0.5)
    assert answer.status_code == 200, answer.text
    return answer.json()
