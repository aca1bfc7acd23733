"""A running suite comes alive: six people, five rooms, threads, pictures that are drawn here, and talk that goes on until Ctrl-C.

It prints an account for whoever watches, who is in all of the rooms; who says something there is answered. What they say stands in
demo.txt, beside this. It uses the SDK in clients/python and nothing else.

    make run      # in one terminal
    make demo     # in another; it finds the suite as the parley command does: PARLEY_URL, or PARLEY_HOME, or PARLEY_PORT
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import re
import secrets
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.progress import track

from parley_client import Client, Event
from parley_client.models import Message

PEOPLE = {
    "mara": "Mara Lindqvist",
    "tomas": "Tomás Ferreira",
    "aiko": "Aiko Tanaka",
    "jonas": "Jonas Weber",
    "ines": "Inês Duarte",
    "samir": "Samir Haddad",
}
TALK = Path(__file__).with_name("demo.txt")
LINE = re.compile(r"(?P<thread> +)?(?P<sign>[+~!*@] )?(?P<who>\w+):? ?(?P<text>.*)")
EVERY_S = (3.0, 7.0)
ANSWERS_S = (1.5, 3.5)

console = Console()


@dataclass(frozen=True, slots=True)
class Turn:
    """sign: as demo.txt explains. scene: of its room, from 0, which was before one comes."""

    room: str
    scene: int
    who: str
    text: str
    sign: str = ""
    in_thread: bool = False

    @property
    def says(self) -> bool:
        return self.sign in ("", "!")


def read(talk: str) -> tuple[dict[str, str], list[Turn]]:
    """Topics by the names of rooms, and all turns, room by room."""
    topics: dict[str, str] = {}
    turns: list[Turn] = []
    room, scene, blank = "", 0, False
    for line in talk.splitlines():
        if head := re.fullmatch(r"# ([\w ]+): (.+)", line):
            room, scene, blank = head[1], -1, True
            topics[room] = head[2]
        elif not line.strip() or line.startswith("#"):
            blank = True
        elif found := LINE.fullmatch(line):
            scene, blank = scene + blank, False
            text = found["text"].replace("\\n", "\n")
            turns.append(Turn(room, scene, found["who"], text, (found["sign"] or "").strip(), bool(found["thread"])))
    return topics, turns


def plan(turns: list[Turn], seed: int = 1) -> Iterator[tuple[float, Turn]]:
    """How it goes on, and after how many seconds each: every room's turns in their order, some here, then some there; from the
    beginning when all is said."""
    while True:
        # The same order each time: so what is said comes again as late as it can.
        chance = random.Random(seed)
        left: dict[str, list[Turn]] = {}
        for turn in turns:
            if turn.scene > 0:
                left.setdefault(turn.room, []).append(turn)
        while left:
            (room,) = chance.choices(list(left), [len(rest) for rest in left.values()])
            for _ in range(min(chance.randint(2, 5), len(left[room]))):
                turn = left[room].pop(0)
                # A reaction comes quicker than a sentence.
                yield chance.uniform(*EVERY_S) / (1 if turn.says else 3), turn
            if not left[room]:
                del left[room]


GREETINGS = (
    "Hello, and welcome! Look around, nothing here bites but the band saw.",
    "Hello! Good to have you here.",
    "Hi there! Find yourself a chair. Not the bench, it is sticky.",
)
ABOUT = (
    "I only say what stands in `examples/demo.txt`: this is a demo. You, the rooms and what you write are real.",
    "A demo, I am afraid: a program speaks for us. Everything else works as it does for anybody.",
)
OF_IMAGES = ("What a picture! May we hang it up in the hall?", "Lovely, the light in it. Where is that?")
WELCOME = ("Any time!", "Not for that.", "Gladly.")
NOTED = ("Good to know.", "I like that.", "Then we do it like that.", "Noted. It is on the list now.", "Well said.")
OF_QUESTIONS = {
    "who": "I would ask Mara. If it is on a list, she has written the list.",
    "when": "About eight, I think. Whatever the plan says, come ten minutes later.",
    "where": "Behind the kitchen, past the blue bicycle. You cannot miss it.",
    "why": "Nobody remembers. It has always been like that, and it works.",
    "how": "Slowly, and with the good gloves. Shall I show you?",
    "what": "A bit of everything: somebody cooks, somebody digs, somebody mends, and on Fridays there is music.",
    "can": "Of course. Tell us how it went.",
}
PERHAPS = (
    "Yes, I would say so.",
    "Good question. Let me think about it over the soup.",
    "I believe so, but ask me again tomorrow.",
)


def answer(text: str, chance: random.Random, *, image: bool = False) -> str:
    """What somebody says to a newcomer who has said that."""
    said = text.lower()
    words = re.findall(r"\w+", said)
    if {"demo", "bot", "bots", "robot", "robots", "real", "human", "humans", "ai", "program"} & set(words):
        return chance.choice(ABOUT)
    if image:
        return chance.choice(OF_IMAGES)
    if "?" in said:
        asked = next((word for word in words if word in OF_QUESTIONS), None)
        return chance.choice(PERHAPS) if asked is None else OF_QUESTIONS[asked]
    if {"thanks", "thank", "danke", "merci", "obrigado", "obrigada"} & set(words):
        return chance.choice(WELCOME)
    if {"hi", "hello", "hey", "hallo", "moin", "servus", "morning", "evening", "olá", "bonjour"} & set(words):
        return chance.choice(GREETINGS)
    return chance.choice(NOTED)


def address(environment: Mapping[str, str]) -> str:
    """Of the suite: as it is given, as the one in PARLEY_HOME has noted it down, or on this machine."""
    if url := environment.get("PARLEY_URL"):
        return url.rstrip("/")
    with contextlib.suppress(OSError, ValueError, KeyError):
        run = json.loads((Path(environment.get("PARLEY_HOME", ".parley")) / "run.json").read_text())
        return str(run["urls"]["http"])
    return f"http://127.0.0.1:{environment.get('PARLEY_PORT', '8000')}"


def landscape(seed: int, width: int = 640, height: int = 360) -> bytes:
    """A PNG of hills under an evening sky; another seed is another evening."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    chance = random.Random(seed)
    hue = chance.randrange(90)
    hills = [(0.5 + 0.15 * number, chance.uniform(1.5, 4), chance.uniform(0, 6)) for number in range(3)]
    tops = [
        [height * (base + 0.07 * math.sin(waves * x / width * math.pi + shift)) for x in range(width)]
        for base, waves, shift in hills
    ]
    sun_x, sun_y, radius = width * chance.uniform(0.3, 0.8), height * 0.34, height * 0.08
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        sky = (90 + 150 * y // height, 100 + 90 * y // height, 170 - 60 * y // height + hue // 2)
        for x in range(width):
            ground = next((number for number in (2, 1, 0) if y > tops[number][x]), None)
            if ground is not None:
                rows += bytes((88 - 24 * ground, 118 - 30 * ground + hue // 6, 104 - 28 * ground))
            elif (x - sun_x) ** 2 + (y - sun_y) ** 2 < radius**2:
                rows += bytes((255, 238, 196))
            else:
                rows += bytes(sky)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


class Cast:
    """The people, each signed in and connected, in rooms of theirs with a guest."""

    def __init__(self, url: str, stack: contextlib.AsyncExitStack) -> None:
        self._url = url
        self._stack = stack
        self.people: dict[str, Client] = {}
        self.ids: dict[str, UUID] = {}
        self.rooms: dict[str, UUID] = {}
        self._chance = random.Random()
        # Of each room: what was said last, whose thread goes on; and of each person there: what he has said last.
        self._last: dict[str, UUID] = {}
        self._own: dict[tuple[str, str], UUID] = {}
        self._images = 0

    async def sign_up(self, name: str, shown: str, password: str) -> tuple[Client, UUID]:
        """Somebody new, signed in for as long as the stack."""
        username = f"{name}-{secrets.token_hex(2)}"
        async with Client(self._url) as newcomer:
            me = await newcomer.register(username, password, display_name=shown)
        client = Client(self._url, username=username, password=password, trace=False)
        return await self._stack.enter_async_context(client), me.id

    async def gather(self, topics: dict[str, str], guest: Client) -> None:
        """Accounts and rooms, with everybody in them."""
        for name, shown in track(PEOPLE.items(), description="Opening accounts", console=console):
            self.people[name], self.ids[name] = await self.sign_up(name, shown, secrets.token_urlsafe(12))
            await self.people[name].connect()
        owner, *others = self.people.values()
        for room, topic in topics.items():
            self.rooms[room] = (await owner.create_room(room, topic=topic, visibility="public")).id
            for client in (*others, guest):
                await client.join(self.rooms[room])

    async def take(self, turn: Turn) -> None:
        """Does what stands in it."""
        client, room_id = self.people[turn.who], self.rooms[turn.room]
        match turn.sign:
            case "+":
                await client.react(room_id, self._last[turn.room], turn.text)
            case "*":
                await client.pin(room_id, self._last[turn.room])
            case "@":
                status, _, text = turn.text.partition(": ")
                await client.set_presence(status, text or None)
            case "~":
                known = await client.message(room_id, self._own[turn.room, turn.who])
                await client.edit(room_id, known.id, known.rev, turn.text)
            case _:
                media = []
                if turn.sign == "!":
                    self._images += 1
                    media = [(await client.upload(landscape(self._images), filename="evening.png")).id]
                root = self._last[turn.room] if turn.in_thread else None
                ack = await client.send(room_id, turn.text, thread_root_id=root, media_ids=media)
                self._own[turn.room, turn.who] = ack.message_id
                if root is None:
                    self._last[turn.room] = ack.message_id

    async def type(self, turn: Turn) -> None:
        if turn.says:
            await self.people[turn.who].typing(self.rooms[turn.room])

    async def listen(self, name: str) -> None:
        """Answers who is none of them: in a room one of them does, in private the one who was written to."""
        async for event in self.people[name].events():
            if isinstance(event, Event) and event.kind == "message.created" and event.message is not None:
                message = event.message
                if message.sender_id not in self.ids.values() and self._is_asked(name, message):
                    await self._answer(name, message)

    def _is_asked(self, name: str, message: Message) -> bool:
        if message.room_id not in self.rooms.values():
            return True
        named = [other for other, user_id in self.ids.items() if user_id in message.mentions]
        return name == (named[0] if named else list(self.people)[message.seq % len(self.people)])

    async def _answer(self, name: str, message: Message) -> None:
        client = self.people[name]
        if message.media:
            await client.react(message.room_id, message.id, "❤️")
        await client.typing(message.room_id)
        await asyncio.sleep(self._chance.uniform(*ANSWERS_S))
        said = answer(message.body or "", self._chance, image=bool(message.media))
        await client.send(message.room_id, said, thread_root_id=message.thread_root_id)


async def go_on(cast: Cast, turns: list[Turn], seconds: float) -> None:
    """Talk, with typing before it, for so long; and answers to who asks."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with asyncio.TaskGroup() as listening:
        tasks = [listening.create_task(cast.listen(name)) for name in cast.people]
        for pause, turn in plan(turns):
            await cast.type(turn)
            await asyncio.sleep(min(pause, max(0.0, until - loop.time())))
            if loop.time() >= until:
                break
            await cast.take(turn)
        for task in tasks:
            task.cancel()


async def main(seconds: float) -> None:
    topics, turns = read(TALK.read_text())
    url = address(os.environ)
    async with contextlib.AsyncExitStack() as stack:
        cast = Cast(url, stack)
        password = secrets.token_urlsafe(12)
        guest, guest_id = await cast.sign_up("guest", "You", password)
        await cast.gather(topics, guest)
        before = [turn for turn in turns if turn.scene == 0]
        for turn in track(before, description="Talking", console=console):
            await cast.take(turn)
        direct = await cast.people["aiko"].direct([guest_id])
        await cast.people["aiko"].send(direct.id, "Hello, and welcome! Ask me anything.")
        sealed = await cast.people["ines"].create_room("Accounts", visibility="private", encryption="sealed")
        for user_id in (guest_id, cast.ids["mara"]):
            await cast.people["ines"].add_member(sealed.id, user_id)
        await cast.people["ines"].send(sealed.id, "What is said here is encrypted under a key of this room.")
        username = (await guest.me()).username
        console.print(f"\nOpen {url} and sign in as [bold]{username}[/bold] with [bold]{password}[/bold]")
        console.print("They talk on until Ctrl-C, and answer who says something.")
        await go_on(cast, turns, seconds)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="People who talk, in a suite that runs.")
    options.add_argument("--seconds", type=float, default=math.inf, help="how long they talk on")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(options.parse_args().seconds))
