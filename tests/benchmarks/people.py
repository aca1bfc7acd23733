"""Users and rooms for a load, made through the gateway as anybody makes them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx2
from rich.console import Console
from rich.progress import Progress

PASSWORD = "a long enough passphrase"
AT_ONCE = 16
T = TypeVar("T")


@dataclass(frozen=True)
class User:
    id: str
    username: str
    token: str


@dataclass(frozen=True)
class Room:
    """members: indices into the list of users."""

    id: str
    members: list[int]


async def register(url: str, count: int) -> list[User]:
    """Accounts, logged in."""
    async with _client(url) as http:

        async def one(_number: int) -> User:
            username = f"bench{secrets.token_hex(8)}"
            made = await http.post("/auth/register", json={"username": username, "password": PASSWORD})
            _expect(made, 201)
            tokens = await http.post("/auth/token", data={"username": username, "password": PASSWORD})
            _expect(tokens, 200)
            return User(made.json()["id"], username, tokens.json()["access_token"])

        return await _all(f"Registering {count} users", one, count)


async def fill(url: str, users: list[User], rooms: int, encryption: str = "plain") -> list[Room]:
    """So many public rooms of equal size, over all of these users."""
    size = len(users) // rooms
    async with _client(url) as http:

        async def make(number: int) -> str:
            wanted = {"name": f"room {number}", "visibility": "public", "encryption": encryption, "history": "all"}
            made = await http.post("/rooms", json=wanted, headers=_as(users[number * size]))
            _expect(made, 201)
            return str(made.json()["id"])

        ids = await _all(f"Making {rooms} {'room' if rooms == 1 else 'rooms'} of {size}", make, rooms)

        async def join(number: int) -> None:
            if number % size:
                _expect(await http.post(f"/rooms/{ids[number // size]}/join", headers=_as(users[number])), 200)

        await _all("Joining them", join, rooms * size)
    return [Room(room, list(range(number * size, (number + 1) * size))) for number, room in enumerate(ids)]


def _client(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"{url}/api/v1", timeout=60)


def _as(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {user.token}"}


def _expect(answer: httpx2.Response, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")


async def _all(said: str, make: Callable[[int], Awaitable[T]], count: int) -> list[T]:
    turn = asyncio.Semaphore(AT_ONCE)
    console = Console()
    if not console.is_terminal:
        console.print(f"{said} …")
    with Progress(console=console, transient=True, refresh_per_second=4, disable=not console.is_terminal) as progress:
        shown = progress.add_task(said, total=count)

        async def one(number: int) -> T:
            async with turn:
                made = await make(number)
            progress.advance(shown)
            return made

        return await asyncio.gather(*map(one, range(count)))
