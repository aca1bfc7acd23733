"""Connections of a pool, whose statements show in traces."""

from collections.abc import Iterable
from typing import Any

import asyncpg

from parley_shared.telemetry import statement


class TracedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """asyncpg's own, with a span around each statement of work that is recorded."""

    async def execute(self, query: str, *args: object, **more: Any) -> str:
        with statement(query):
            return str(await super().execute(query, *args, **more))

    async def executemany(self, command: str, args: Iterable[object], **more: Any) -> None:
        with statement(command):
            await super().executemany(command, args, **more)

    async def fetch(self, query: str, *args: object, **more: Any) -> Any:
        with statement(query):
            return await super().fetch(query, *args, **more)

    async def fetchval(self, query: str, *args: object, **more: Any) -> Any:
        with statement(query):
            return await super().fetchval(query, *args, **more)

    async def fetchrow(self, query: str, *args: object, **more: Any) -> Any:
        with statement(query):
            return await super().fetchrow(query, *args, **more)
