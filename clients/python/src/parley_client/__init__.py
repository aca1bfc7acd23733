"""Parley for Python programs: an asynchronous client that loses nothing.

async with Client("http://127.0.0.1:8000", username="alice", password="…") as client:
    room = await client.create_room("Kitchen", visibility="public")
    await client.send(room.id, "Hello!")
    async for event in client.events():
        print(event)
"""

from parley_client.client import Client
from parley_client.errors import ApiError, Disconnected, ParleyError, Stopped
from parley_client.events import Event, Gone, Resync
from parley_client.tokens import FileStore, MemoryStore, Tokens

__all__ = [
    "ApiError",
    "Client",
    "Disconnected",
    "Event",
    "FileStore",
    "Gone",
    "MemoryStore",
    "ParleyError",
    "Resync",
    "Stopped",
    "Tokens",
]
