"""Writes scenarios/generated.json: breaks, holes, doubles, refusals and memberships in the order in which chance brings them.

What an SDK must show and send follows from the rules of the protocol, which this model of a client keeps in a page of code. The
seed is fixed, so that the file says the same on every machine.

    generate.py            # write the file
    generate.py --check    # exit code 1 if it is not what would be written
"""

import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEED = 20261127
COUNT = 220
TARGET = Path(__file__).resolve().parent / "scenarios" / "generated.json"

ME, KITCHEN, GARDEN = "user:$me", "room:$kitchen", "room:$garden"
COME_BACK = [1000, 1001, 1006, 1011, 1012, 3000, 4008, 4009, 4014, 4029]
REFUSED = ["forbidden", "muted", "invalid", "deleted", "idempotency_mismatch", "internal"]
LIMITS = ["rate_limited", "slow_mode", "unavailable"]
FIRST_MS, LONGEST_MS = 250, 30_000
LONG_MS = 20_000
"""A connection that has lived for so long is closed before the windows begin anew."""

Step = dict[str, Any]


@dataclass
class Story:
    """One scenario as it comes about."""

    chance: random.Random
    steps: list[Step] = field(default_factory=list)
    http: dict[str, list[Step]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    shown: list[list[Any]] = field(default_factory=list)
    queues: dict[str, list[str]] = field(default_factory=lambda: {"$kitchen": [], "$garden": []})
    committed: dict[str, list[str]] = field(default_factory=lambda: {"$kitchen": [], "$garden": []})
    in_flight: set[str] = field(default_factory=set)
    outcomes: dict[str, Step] = field(default_factory=dict)
    window: int = FIRST_MS
    lived: int = 0
    token: int = 0
    closed_by_4014: bool = False
    live: bool = False
    resumes: bool = False

    def __post_init__(self) -> None:
        self.share = self.chance.choice([0.0, 0.25, 0.5, 1.0])
        self.heads = {ME: 0, KITCHEN: self.chance.randint(0, 40), GARDEN: self.chance.randint(0, 40)}

    # -- the connection

    def open(self, **auth: Any) -> None:
        """As far as live; what was missed is replayed, or is too much."""
        resume = (
            {"epoch": "e1", "at": dict(sorted(self.at.items(), key=lambda item: item[0] != ME))}
            if self.resumes
            else None
        )
        step: Step = {"server": "open", "auth": {"token": f"token {self.token}", "resume": resume, **auth}}
        step["rooms"] = [[stream[5:], self.heads[stream]] for stream in (KITCHEN, GARDEN) if self.is_member(stream)]
        if self.resumes:
            step["streams"], step["events"], resyncs = {}, [], []
            for stream in sorted(self.at, key=lambda name: name != ME):
                missed = self.heads[stream] - self.at[stream]
                status = "recovered" if missed else "current"
                if missed and stream != ME and self.chance.random() < 0.25:
                    status = "resync"
                    resyncs.append(["resync", stream, self.heads[stream]])
                elif missed:
                    first = self.at[stream] + 1
                    step["events"].append([stream, [first, self.heads[stream]]])
                step["streams"][stream] = {"status": status, "head": self.heads[stream]}
            self.shown += resyncs
            for stream, (first, last) in step["events"]:
                self.shown.append([stream, [first, last]])
        self.at = {stream: head for stream, head in self.heads.items() if stream == ME or self.is_member(stream)}
        self.steps.append(step)
        self.resumes = self.live = True
        self.send_on()

    def is_member(self, stream: str) -> bool:
        return stream in self.heads

    def close(self) -> None:
        """In one of the ways that mean: come back."""
        away = self.chance.random()
        if away < 0.15 and self.share:
            window = self.chance.choice([400, 2000, 6000])
            self.steps.append(
                {"server": "frame", "frame": {"type": "reconnect", "after_ms": window, "reason": "restart"}}
            )
            self.steps.append({"server": "close", "code": 4001, "reason": "drain"})
            code, wait = 4001, int(window * self.share)
        else:
            code = self.chance.choice(COME_BACK)
            self.steps.append({"server": "close", "code": code})
            if code == 4014:
                self.token += 1
            wait = 0 if code == 4014 and not self.closed_by_4014 else self.pause()
        self.closed_by_4014 = code == 4014
        self.live = False
        self.in_flight.clear()
        self.while_away()
        self.steps.append({"expect": "connection", "after_ms": [max(0, wait - 2), wait + 2]})
        self.lived = 0
        if self.resumes and self.chance.random() < 0.2:
            # Not even as far as ready, for once.
            self.steps.append({"server": "close", "code": 1006})
            self.closed_by_4014 = False
            wait = self.pause()
            self.steps.append({"expect": "connection", "after_ms": [max(0, wait - 2), wait + 2]})
            code = 1006
        self.open(last_close={"code": code})

    def pause(self) -> int:
        wait = int(self.window * self.share)
        self.window = min(self.window * 2, LONGEST_MS)
        return wait

    def while_away(self) -> None:
        for stream in (KITCHEN, GARDEN):
            if self.is_member(stream) and self.chance.random() < 0.5:
                self.heads[stream] += self.chance.randint(1, 6)
        if self.chance.random() < 0.3:
            self.send()

    # -- events

    def event(self) -> None:
        stream = self.chance.choice([stream for stream in self.heads if stream != ME])
        self.heads[stream] += 1
        self.tell(stream, self.heads[stream])

    def tell(self, stream: str, seq: int) -> None:
        self.steps.append({"server": "events", "events": [[stream, seq]]})
        if seq == self.at[stream] + 1:
            self.at[stream] = seq
            self.shown.append([stream, seq])

    def double(self) -> None:
        stream = self.chance.choice([stream for stream in self.heads if self.at[stream] > 0] or [ME])
        if self.at[stream] > 0:
            self.tell(stream, self.chance.randint(max(1, self.at[stream] - 5), self.at[stream]))

    def hole(self) -> None:
        """The server skips some, which a client gets from the log, in as many pages as it takes."""
        stream = self.chance.choice([stream for stream in self.heads if stream != ME])
        arriving = self.at[stream] + self.chance.randint(2, 7)
        self.heads[stream] = max(self.heads[stream], arriving)
        first = self.at[stream] + 1
        while self.at[stream] < arriving - 1:
            after = self.at[stream]
            # A page may reach beyond the event that made the client ask.
            upto = min(self.heads[stream], after + self.chance.randint(1, 4))
            self.http[f"GET /rooms/{stream[5:]}/events?after={after}"] = [
                {"status": 200, "events": list(range(after + 1, upto + 1))}
            ]
            self.at[stream] = upto
        self.at[stream] = max(self.at[stream], arriving)
        self.shown.append([stream, [first, self.at[stream]]])
        self.steps.append({"server": "events", "events": [[stream, arriving]]})

    def membership(self) -> None:
        """Out of the garden, or into it again at a later seq."""
        self.heads[ME] += 1
        if self.is_member(GARDEN):
            seq = self.heads.pop(GARDEN)
            del self.at[GARDEN]
            self.left_at = seq + 1
            said = {"kind": "room.left", "room_id": "$garden", "to_seq": seq + 1, "reason": "left"}
            self.steps.append({"server": "events", "events": [[ME, self.heads[ME], said]]})
            self.shown += [[ME, self.heads[ME]], ["gone", GARDEN]]
        else:
            since = self.left_at + self.chance.randint(1, 30)
            said = {"kind": "room.joined", "room_id": "$garden", "from_seq": since}
            self.steps.append({"server": "events", "events": [[ME, self.heads[ME], said], [GARDEN, since]]})
            self.shown += [[ME, self.heads[ME]], [GARDEN, since]]
            self.heads[GARDEN] = self.at[GARDEN] = since
        self.at[ME] = self.heads[ME]

    # -- sending

    def send(self) -> None:
        room = self.chance.choice(list(self.queues))
        key = f"m{len(self.outcomes)}"
        self.queues[room].append(key)
        self.outcomes[key] = {"pending": True}
        self.steps.append({"app": "send", "room": room, "key": key})
        self.send_on()

    def send_on(self) -> None:
        """Each room's first goes as soon as it can."""
        if not self.live:
            return
        going = [queue[0] for queue in self.queues.values() if queue and queue[0] not in self.in_flight]
        if going:
            self.in_flight.update(going)
            self.steps.append({"expect": "frames", "frames": [{"type": "send", "client_msg_id": key} for key in going]})

    def answer(self) -> None:
        if not self.in_flight:
            return
        key = self.chance.choice(sorted(self.in_flight))
        room = next(room for room, queue in self.queues.items() if key in queue)
        how = self.chance.random()
        if how < 0.2 and self.lived < LONG_MS:
            wait = self.chance.choice([200, 1500, 4000])
            code = self.chance.choice(LIMITS)
            self.steps.append({"server": "refuse", "of": key, "code": code, "retry_after_ms": wait})
            self.steps.append({"expect": "silence", "for_ms": wait - 10})
            self.steps.append({"expect": "frames", "frames": [{"client_msg_id": key}], "within_ms": 120})
            self.lived += wait + 120
            return
        if how < 0.35 and self.lost_ack(key, room):
            return
        self.in_flight.discard(key)
        self.queues[room].pop(0)
        if how < 0.5 and key not in self.committed[room]:
            code = self.chance.choice(REFUSED)
            self.steps.append({"server": "refuse", "of": key, "code": code})
            self.outcomes[key] = {"refused": code}
        else:
            duplicate = key in self.committed[room]
            if not duplicate:
                self.committed[room].append(key)
            seq = 100 + self.committed[room].index(key)
            for _ in range(2 if how > 0.9 else 1):
                self.steps.append({"server": "ack", "of": key, "seq": seq, "duplicate": duplicate})
            self.outcomes[key] = {"ack": {"seq": seq, "duplicate": duplicate}}
        self.send_on()

    def lost_ack(self, key: str, room: str) -> bool:
        """It is committed, and the connection breaks before anybody says so."""
        if key in self.committed[room]:
            return False
        self.committed[room].append(key)
        self.close()
        return True

    def end(self) -> None:
        self.steps.append({"expect": "shown", "notices": self.shown})
        self.steps += [{"expect": "result", "of": key, **outcome} for key, outcome in self.outcomes.items()]
        at = {ME: self.at[ME], **{stream: seq for stream, seq in self.at.items() if stream != ME}}
        self.steps.append({"expect": "positions", "at": at})


def story(number: int) -> Step:
    told = Story(random.Random(f"{SEED} {number}"))
    if told.chance.random() < 0.3:
        told.send()
    else:
        told.steps.append({"app": "connect"})
    told.steps.append({"expect": "connection"})
    told.open(last_close=None)
    doings = [told.event, told.event, told.double, told.hole, told.send, told.send, told.answer, told.answer, told.answer,
              told.close, told.membership]  # fmt: skip
    for _ in range(told.chance.randint(4, 14)):
        told.chance.choice(doings)()
    told.end()
    scenario: Step = {"name": f"chance {number}", "given": {"random": told.share}}
    if told.http:
        scenario["http"] = told.http
    return {**scenario, "steps": told.steps}


def many_rooms() -> list[Step]:
    """What takes more rooms than one would write by hand."""
    rooms = [f"01890000-0000-7000-9000-{number:012x}" for number in range(203)]
    listed = [[room, 10] for room in rooms[:200]]
    late = [f"room:{room}" for room in rooms[200:]]
    # The list begins with the most recently active; what has moved since comes after all of it.
    opened = {"server": "open", "rooms": listed}
    events = {"server": "events", "events": [[stream, 7] for stream in late]}
    shown = {"expect": "shown", "notices": [[stream, 7] for stream in late]}
    still = [f"room:{room}" for room in rooms[197:200]]
    begin: list[Step] = [{"app": "connect"}, {"expect": "connection"}]
    away: list[Step] = [{"server": "close", "code": 1006}, {"expect": "connection", "after_ms": [0, 250]}]
    named = {"count": 201, "includes": [ME, f"room:{rooms[0]}", *late], "excludes": still}
    standings = {
        **{f"room:{room}": {"status": "current", "head": 10} for room in rooms[:197]},
        **{stream: {"status": "current", "head": 7} for stream in late},
    }
    return [
        {
            "name": "a resume names two hundred rooms, those that moved last, after the user's own stream",
            "steps": [*begin, opened, events, shown, *away, {"server": "open", "resumes": named}],
        },
        {
            "name": "of a room too many for the resume it is said that something was missed there",
            "steps": [
                *begin, opened, events, shown, *away,
                {"server": "open", "streams": standings, "rooms": [[rooms[198], 13], *listed[:197], [rooms[199], 10]]},
                {"expect": "shown", "notices": [["resync", f"room:{rooms[198]}", 13]]},
                {"server": "events", "events": [[f"room:{rooms[198]}", 14], [f"room:{rooms[199]}", 11]]},
                {"expect": "shown", "notices": [[f"room:{rooms[198]}", 14], [f"room:{rooms[199]}", 11]]},
            ],
        },
        {
            "name": "another epoch is said of rooms too many for the resume as well",
            "steps": [
                *begin, opened, events, shown, *away,
                {
                    "server": "open",
                    "epoch": "e2",
                    "streams": {stream: {"status": "resync", "head": 1} for stream in (ME, *standings)},
                    "rooms": [[rooms[198], 2]],
                },
                {
                    "expect": "shown",
                    "notices": [
                        *[["resync", stream, 1] for stream in (ME, *standings)],
                        *[["resync", f"room:{room}", 0] for room in (rooms[199], rooms[197])],
                        ["resync", f"room:{rooms[198]}", 2],
                    ],
                },
                {"server": "events", "events": [[f"room:{rooms[199]}", 5], [f"room:{rooms[198]}", 3]]},
                {"expect": "shown", "notices": [[f"room:{rooms[199]}", 5], [f"room:{rooms[198]}", 3]]},
            ],
        },
    ]  # fmt: skip


def generated() -> str:
    scenarios = [*many_rooms(), *(story(number) for number in range(COUNT))]
    return "[\n" + ",\n".join(json.dumps(scenario, separators=(",", ":")) for scenario in scenarios) + "\n]\n"


def main() -> None:
    text = generated()
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text() != text:
            raise SystemExit(f"{TARGET.name} is not what {Path(__file__).name} writes.")
        return
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
