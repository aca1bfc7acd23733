"""A running suite comes alive: six people, four rooms, a thread, pictures that are drawn here, and talk that goes on until Ctrl-C.

It prints an account for whoever watches, who is in all of the rooms. It uses the SDK in clients/python and nothing else.

    make run      # in one terminal
    make demo     # in another; PARLEY_URL, if it is not http://127.0.0.1:8000
"""

import argparse
import asyncio
import contextlib
import math
import os
import random
import secrets
import struct
import zlib
from uuid import UUID

from rich.console import Console
from rich.progress import track

from parley_client import Client

URL = os.environ.get("PARLEY_URL", "http://127.0.0.1:8000").rstrip("/")
PEOPLE = {
    "mara": "Mara Lindqvist",
    "tomas": "Tomás Ferreira",
    "aiko": "Aiko Tanaka",
    "jonas": "Jonas Weber",
    "ines": "Inês Duarte",
    "samir": "Samir Haddad",
}
ROOMS = {
    "Kitchen crew": "Who cooks what, and when the van comes",
    "Garden": "Beds, seeds and the one hose that works",
    "Workshop": "Things that are being mended",
    "Music on Fridays": "Who plays, and what",
}
# (room, who, what)
SAID = (
    ("Kitchen crew", "tomas", "Good morning! The bakery van comes at nine today, somebody has to open the gate."),
    ("Kitchen crew", "aiko", "I can. Is it **sixty** flatbreads again?"),
    ("Kitchen crew", "jonas", "Sixty is _optimistic_. Last time we ran out at half past seven."),
    ("Kitchen crew", "mara", "That was before we had two ovens :)"),
    ("Garden", "ines", "The tomatoes on the south wall are ready. Take a bowl before you pick."),
    ("Garden", "samir", "Found the leak in the hose. It is where the wheelbarrow always stands."),
    ("Garden", "aiko", "The beans look unhappy. More water, or less?"),
    ("Garden", "ines", "Less. They had rain for three days."),
    ("Workshop", "jonas", "The band saw runs again. New belt, old blade, please go slowly."),
    ("Workshop", "samir", "Has anybody seen the 13 mm spanner? It was in the drawer that says `spanners`."),
    ("Workshop", "mara", "It is under the blue bicycle. Sorry."),
    ("Music on Fridays", "ines", "This week: two guitars, one accordion, and Tomás if he dares."),
    ("Music on Fridays", "tomas", "He dares."),
)
GOES_ON = (
    ("Kitchen crew", "aiko", "The soup needs another twenty minutes."),
    ("Kitchen crew", "tomas", "Van is here. I open the gate."),
    ("Garden", "samir", "Watered everything but the herbs."),
    ("Workshop", "jonas", "Glue is drying, please do not lean on the table."),
    ("Music on Fridays", "mara", "Could we start at eight? The bus comes late."),
    ("Kitchen crew", "ines", "I bring lemons, and the big pot."),
    ("Garden", "aiko", "There is a hedgehog behind the compost. It looks content."),
    ("Workshop", "samir", "The lamp in the corner works again. It was the switch, as always."),
    ("Music on Fridays", "jonas", "I found the missing capo. It was in my coat."),
    ("Kitchen crew", "mara", "Who does the dishes tonight? I did yesterday."),
)
REACTIONS = ("like", "👍", "❤️", "🎉")
EVERY_S = (3.0, 7.0)

console = Console()


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


async def sign_up(stack: contextlib.AsyncExitStack, name: str, shown: str, password: str) -> tuple[Client, UUID]:
    """Somebody new, signed in for as long as the stack."""
    username = f"{name}-{secrets.token_hex(2)}"
    newcomer = Client(URL)
    me = await newcomer.register(username, password, display_name=shown)
    await newcomer.close()
    client = await stack.enter_async_context(Client(URL, username=username, password=password, trace=False))
    return client, me.id


async def fill(people: dict[str, Client], ids: dict[str, UUID], guest: tuple[Client, UUID]) -> dict[str, UUID]:
    """Rooms with everybody in them, and what was said so far. Each room's id by its name."""
    owner, (watcher, watcher_id) = people["mara"], guest
    rooms: dict[str, UUID] = {}
    for name, topic in ROOMS.items():
        rooms[name] = (await owner.create_room(name, topic=topic, visibility="public")).id
        for client in (*(client for who, client in people.items() if who != "mara"), watcher):
            await client.join(rooms[name])
    for room, who, body in track(SAID, description="Talking", console=console):
        ack = await people[who].send(rooms[room], body)
        if body.startswith("Sixty"):
            await people["mara"].send(
                rooms[room], "There is a second tray in the cellar.", thread_root_id=ack.message_id
            )
            await people["aiko"].send(rooms[room], "Found it, thank you!", thread_root_id=ack.message_id)
        if body.startswith("The tomatoes"):
            await people["mara"].pin(rooms[room], ack.message_id)
        for liking in random.sample([name for name in people if name != who], 2):
            await people[liking].react(rooms[room], ack.message_id, random.choice(REACTIONS))
    for seed, (room, who, body) in enumerate(
        (
            ("Garden", "samir", "From the hill behind the beds, last night."),
            ("Music on Fridays", "jonas", "What we see from the stage."),
        )
    ):
        image = await people[who].upload(landscape(seed), filename="evening.png")
        await people[who].send(rooms[room], body, media_ids=[image.id])
    direct = await people["aiko"].direct([watcher_id])
    await people["aiko"].send(direct.id, "Hello, and welcome! Ask me anything.")
    sealed = await people["ines"].create_room("Accounts", visibility="private", encryption="sealed")
    await people["ines"].add_member(sealed.id, watcher_id)
    await people["ines"].add_member(sealed.id, ids["mara"])
    await people["ines"].send(sealed.id, "What is said here is encrypted under a key of this room.")
    return rooms


async def go_on(people: dict[str, Client], rooms: dict[str, UUID], seconds: float) -> None:
    """Talk, with typing before and a reaction after it, for so long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    turn = 0
    while loop.time() < until:
        room, who, body = GOES_ON[turn % len(GOES_ON)]
        await people[who].typing(rooms[room])
        await asyncio.sleep(min(random.uniform(*EVERY_S), max(0.0, until - loop.time())))
        ack = await people[who].send(rooms[room], body)
        if turn % 3 == 0:
            liking = random.choice([name for name in people if name != who])
            await people[liking].react(rooms[room], ack.message_id, random.choice(REACTIONS))
        turn += 1


async def main(seconds: float) -> None:
    async with contextlib.AsyncExitStack() as stack:
        password = secrets.token_urlsafe(12)
        people: dict[str, Client] = {}
        ids: dict[str, UUID] = {}
        for name, shown in track(PEOPLE.items(), description="Opening accounts", console=console):
            people[name], ids[name] = await sign_up(stack, name, shown, secrets.token_urlsafe(12))
            await people[name].connect()
        guest = await sign_up(stack, "guest", "You", password)
        username = (await guest[0].me()).username
        rooms = await fill(people, ids, guest)
        console.print(f"\nOpen {URL} and sign in as [bold]{username}[/bold] with [bold]{password}[/bold]")
        console.print("They talk on until Ctrl-C.")
        await go_on(people, rooms, seconds)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="People who talk, in a suite that runs.")
    options.add_argument("--seconds", type=float, default=math.inf, help="how long they talk on")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(options.parse_args().seconds))
