"""A room full of people who keep talking whatever happens, a private one besides, and who is thrown out: what the checker reads."""

import asyncio
import heapq
import time
from collections.abc import Callable

from tests.conftest import Suite
from tests.faults.checker import Finding, Records, Shown, check, visible
from tests.faults.outsider import Outsider
from tests.faults.talker import Talker
from tests.faults.verified import verified
from tests.faults.view import kept
from tests.protocol_client import Frame, Person, Socket

TALKERS = 6
PEOPLE = TALKERS + 2
"""Besides the talkers, the host of the private room and the outsider."""
INSIDERS = (1, 2)
"""The talkers who may see the private room; everybody else tries to."""


class Crowd:
    """Six talkers and an outsider in one room, whose owner is the first; a host in a private room, and two of the six."""

    def __init__(self, suite: Suite, people: list[Person]) -> None:
        self._suite = suite
        self._people = people
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.talkers: list[Talker] = []

    async def start(self, pause: float = 0.01) -> "Crowd":
        """Until everybody has been heard."""
        *talkers, host, outsider = self._people
        room, private = await talkers[0].room(), await host.room("quiet", visibility="private", history="all")
        for person in (*talkers[1:], outsider):
            await person.call("POST", f"/rooms/{room}/join")
        for number in INSIDERS:
            await host.call("POST", f"/rooms/{private}/members", 201, json={"user_id": talkers[number].id})
        for number, person in enumerate(talkers):
            inside = number in INSIDERS
            rooms = [room, private] if inside else [room]
            barred = None if inside else private
            self.talkers.append(Talker(self._suite, person, f"talker {number}", number, rooms, barred))
        self.host = Talker(self._suite, host, "host", 0, [private])
        self.outsider = Outsider(self._suite, outsider, room, private)
        self._tasks = [
            *(asyncio.create_task(talker.talk(self._stop, pause)) for talker in self.talkers),
            asyncio.create_task(self.host.talk(self._stop, 10 * pause)),
            asyncio.create_task(self.outsider.try_on(self._stop)),
        ]
        await self._until(lambda: all(len(talker.sends) > 3 for talker in (*self.talkers, self.host)), 60)
        return self

    async def _until(self, reached: Callable[[], bool], within: float) -> None:
        async with asyncio.timeout(within):
            while not reached():
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)

    @property
    def acknowledged(self) -> int:
        return sum(len(talker.sends) for talker in self.talkers)

    @property
    def sockets(self) -> list[Socket | None]:
        return [talker.socket for talker in (*self.talkers, self.host)]

    async def until_more(self, count: int, within: float) -> None:
        """So many further acknowledgements: the suite is at work again."""
        wanted = self.acknowledged + count
        await self._until(lambda: self.acknowledged >= wanted, within)

    async def remove_the_outsider(self) -> None:
        """The owner does, and bans him; until it is acknowledged."""
        owner, room = self.talkers[0], self.talkers[0].room
        await owner.call("POST", f"/rooms/{room}/bans", 201, json={"user_id": self.outsider.person.id})
        self.outsider.removed.set()

    async def finish(self, settle: float = 15.0, *, anew: bool = False) -> list[Finding]:
        """Stop, let everybody read to the end, and check. The outsider must have been removed. anew: a stream may have been read anew."""
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)
        # Whoever was killed is back by now; the reads below go to a gateway that may have been.
        await asyncio.get_running_loop().run_in_executor(None, self._suite.until_ready)
        await self.outsider.try_once()
        room, private = await self._records(self.talkers[0], settle), await self._records(self.host, settle)
        removed = self.talkers[0].view.removed[self.outsider.person.id]
        room.ended[self.outsider.name], room.told[self.outsider.name] = removed, self.outsider.told
        for stranger in (*self.talkers, self.outsider):
            private.ended[stranger.name] = 0
        for talker in self.talkers:
            private.glimpses += talker.glimpses
        resyncs = [
            Finding("resync", f"{talker.name} had to read {talker.resyncs} streams anew")
            for talker in (*self.talkers, self.host)
            if talker.resyncs and not anew
        ]
        return [*resyncs, *check(room), *check(private), *await verified(self._suite)]

    async def _records(self, reader: Talker, settle: float) -> Records:
        """Of the room that this one talks in."""
        head, messages = await _read(reader.person, reader.room)
        stream = reader.view.stream
        followers = [talker for talker in (*self.talkers, self.host) if stream in talker.views]
        await asyncio.gather(*(talker.until(stream, head, settle) for talker in followers))
        records = Records(head=head, fresh=[kept(message) for message in messages])
        records.history = [Shown(message.seq, message.body) for message in records.fresh if not message.is_draft]
        for talker in followers:
            view = talker.views[stream]
            records.shown[talker.name], records.since[talker.name] = view.shown, view.since
            records.copies[talker.name] = view.kept()
            if talker.room == reader.room:
                records.sends += talker.sends
                records.drafts += talker.drafts.values()
        records.glimpses += self.outsider.glimpses[reader.room]
        await self._search(reader, records, settle)
        return records

    async def _search(self, reader: Talker, records: Records, settle: float) -> None:
        """Until everything is found as it is, or for so long: search follows what was committed, and may be behind."""
        until = time.monotonic() + settle
        while records.found != visible(records):
            records.found = await _find(reader)
            if time.monotonic() > until:
                return


async def _find(reader: Talker) -> list[tuple[str, int, str | None]]:
    """Everything in his room: its id, rev and text, by ids."""
    found: list[tuple[str, int, str | None]] = []
    params: dict[str, str | int] = {"room_id": reader.room, "limit": 200}
    while True:
        page = (await reader.call("GET", "/search", 200, params=params)).json()
        found += [(item["message"]["id"], item["message"]["rev"], item["message"]["body"]) for item in page["items"]]
        if page["next"] is None:
            return sorted(found)
        params["cursor"] = page["next"]


async def _read(reader: Person, room: str) -> tuple[int, list[Frame]]:
    """All messages of a room, replies among them, and its head at that moment."""
    while True:
        head = (await reader.call("GET", f"/rooms/{room}"))["head"]
        pages = await reader.history(room)
        threads = []
        for message in pages:
            if message["reply_count"]:
                path = f"/rooms/{room}/messages/{message['id']}/thread"
                thread = await reader.call("GET", path, params={"limit": 200})
                assert thread["next"] is None
                threads.append(thread["items"])
        if head == (await reader.call("GET", f"/rooms/{room}"))["head"]:
            return head, list(heapq.merge(pages, *threads, key=lambda message: message["seq"]))
