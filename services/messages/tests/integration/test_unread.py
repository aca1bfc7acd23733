"""Unread counts and positions of one person on two devices: whatever arrives in whichever order, both see the same number."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley_shared.contracts import conversation
from parley_shared.contracts import messages as contract

operations = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "said",
                "said",
                "said",
                "reply",
                "reply",
                "mine",
                "my_reply",
                "read",
                "read",
                "late",
                "delivered",
                "follow",
                "unfollow",
                "delete",
                "rename",
            ]
        ),
        st.integers(0, 1_000),
    ),
    min_size=1,
    max_size=30,
)


@dataclass
class Model:
    """What the rules say: top-level messages and replies of followed threads after the read position, without one's own."""

    read: int = 0
    delivered: int = 0
    head: int = 0
    ids: dict[int, UUID] = field(default_factory=dict)
    top: list[tuple[int, bool]] = field(default_factory=list)
    replies: list[tuple[int, UUID, bool]] = field(default_factory=list)
    followed: dict[UUID, int | None] = field(default_factory=dict)
    deleted: set[UUID] = field(default_factory=set)
    """followed, by root: the seq after which its replies count, None for who chose not to."""

    @property
    def unread(self) -> int:
        count = sum(seq > self.read for seq, _ in self.top)
        for seq, root, mine in self.replies:
            since = self.followed.get(root)
            if since is not None and not mine and seq > self.read and seq > since:
                count += 1
        return count

    def reads(self, seq: int) -> None:
        self.read = max(self.read, min(seq, self.head))
        self.delivered = max(self.delivered, self.read)


async def flush(suite: Any, actor: Any, room_id: UUID, *, delivered: int, read: int) -> None:
    position = contract.Position(user_id=actor.user_id, room_id=room_id, delivered_seq=delivered, read_seq=read)
    await suite.rpc.call(contract.FLUSH_POSITIONS, contract.FlushPositions(positions=[position]))


async def step(suite: Any, model: Model, room_id: UUID, me: Any, other: Any, what: str, pick: int) -> None:
    chance = random.Random(pick)
    roots = [seq for seq, _ in model.top]
    match what:
        case "said" | "mine":
            [sent] = await suite.send(me if what == "mine" else other, room_id)
            model.head = sent.seq
            model.top.append((sent.seq, what == "mine"))
            model.ids[sent.seq] = sent.message_id
            if what == "mine":
                # Whoever wrote a message follows its thread from the beginning.
                model.followed[sent.message_id] = sent.seq
                model.reads(sent.seq)
        case "reply" | "my_reply" if roots:
            root_seq = chance.choice(roots)
            root = model.ids[root_seq]
            mine = what == "my_reply"
            [outcome] = await suite.try_send(suite.message(me if mine else other, room_id, thread_root_id=root))
            if isinstance(outcome, contract.NotAccepted):
                return
            model.head = outcome.seq
            model.replies.append((outcome.seq, root, mine))
            if mine:
                if model.followed.get(root) is None:
                    model.followed[root] = outcome.seq - 1
                model.reads(outcome.seq)
        case "read":
            # One device at once, the other when its gateway flushes.
            seq = chance.randint(0, model.head + 2)
            if chance.random() < 0.5:
                await suite.read(me, room_id, seq)
            else:
                await flush(suite, me, room_id, delivered=0, read=seq)
            model.reads(seq)
        case "late":
            # A device that was away tells of where it was long ago.
            await flush(suite, me, room_id, delivered=chance.randint(0, model.read), read=chance.randint(0, model.read))
        case "delivered":
            seq = chance.randint(0, model.head + 2)
            await flush(suite, me, room_id, delivered=seq, read=0)
            model.delivered = max(model.delivered, min(seq, model.head))
        case "follow" | "unfollow" if roots:
            root_seq = chance.choice(roots)
            root = model.ids[root_seq]
            if root in model.deleted:
                return
            verb = conversation.FOLLOW_THREAD if what == "follow" else conversation.UNFOLLOW_THREAD
            await suite.rpc.call(verb, contract.MessageRequest(actor=me, room_id=room_id, message_id=root))
            if what == "unfollow":
                model.followed[root] = None
            elif model.followed.get(root) is None:
                model.followed[root] = model.head
        case "delete" if model.top:
            # Its place stays, and so does what it counts.
            seq, mine = chance.choice(model.top)
            request = conversation.DeleteMessage(
                actor=me if mine else other, room_id=room_id, message_id=model.ids[seq]
            )
            await suite.rpc.call(conversation.DELETE_MESSAGE, request)
            model.deleted.add(model.ids[seq])
            model.head = (await suite.mine(me, room_id)).head
        case "rename":
            now = await suite.mine(other, room_id)
            await suite.update(other, room_id, now.rev, topic=str(pick))
            model.head = (await suite.mine(me, room_id)).head


async def test_both_devices_see_the_same_count_and_it_is_what_the_rules_say(suite) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(steps=operations)
    def check(steps: list[Any]) -> None:
        asyncio.run_coroutine_threadsafe(_both_devices_agree(suite, steps), loop).result(60)

    # Hypothesis is synchronous: it draws in a thread, and what it draws is done on this loop.
    await asyncio.to_thread(check)


async def _both_devices_agree(suite: Any, steps: list[Any]) -> None:
    me, other = suite.user(), suite.user()
    room = await suite.room(other, me)
    model = Model(head=room.head + 1)
    model.read = model.delivered = (await suite.mine(me, room.id)).read_seq
    for what, pick in steps:
        await step(suite, model, room.id, me, other, what, pick)
        mine = await suite.mine(me, room.id)
        assert (mine.read_seq, mine.unread) == (model.read, model.unread), (what, pick)
    # A device that comes back, one that asks over HTTP, and the answer to a position are of one mind.
    opened = next(shown for shown in (await suite.open(me)).rooms if shown.id == room.id)
    listed = (await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=me))).items[0]
    told = await suite.read(me, room.id, 0)
    assert opened.unread == listed.unread == told.unread == model.unread
    assert opened.read_seq == listed.read_seq == told.read_seq == model.read
    row = await suite.database.fetchrow(
        "SELECT delivered_seq, read_seq FROM messages.positions WHERE room_id = $1 AND user_id = $2",
        room.id,
        me.user_id,
    )
    assert (row[0], row[1]) == (max(model.delivered, model.read), model.read)
