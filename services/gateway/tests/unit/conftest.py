from collections.abc import AsyncIterator

import pytest

from .harness import World
from .live_harness import Gateway


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One gateway's HTTP side, let in by auth."""
    found = await World().start()
    yield found
    await found.stop()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """One gateway on a port of its own, its live side included."""
    found = await Gateway().start()
    yield found
    await found.stop()
