from collections.abc import AsyncIterator

import pytest

from .harness import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One gateway's HTTP side, let in by auth."""
    found = await World().start()
    yield found
    await found.stop()
