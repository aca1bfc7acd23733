"""Reads the clients' own records of a troubled time and says what went wrong. Pure: no servers, no clock.

What it finds: `lost` (acknowledged, but not in the history, or never shown to a reader who was a member all the time),
`doubled`, `reordered` (against the order of one sender, or of seqs), `gap` (a reader's seqs are not dense), `phantom`
(shown, but not in the history, or with another text; or in the history, but never sent).
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Send:
    """One message that a sender meant to send, in his order. seq: as acknowledged; None if he never learned it."""

    sender: str
    body: str
    seq: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as a reader or the history showed it."""

    seq: int
    body: str


@dataclass(slots=True)
class Records:
    """Of one room. shown: reader → everything he was shown, messages or not (body None), in the order of arrival.
    since: reader → the seq after which he was a member and listening. Bodies are unique."""

    sends: list[Send] = field(default_factory=list)
    shown: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    history: list[Shown] = field(default_factory=list)
    head: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    detail: str


def check(records: Records) -> list[Finding]:
    """Everything that is wrong; an empty list is what one wants."""
    return [*_history(records), *_order(records), *_readers(records)]


def _history(records: Records) -> list[Finding]:
    found: list[Finding] = []
    by_body = {shown.body: shown.seq for shown in records.history}
    for body, times in Counter(shown.body for shown in records.history).items():
        if times > 1:
            found.append(Finding("doubled", f"{body!r} is in the history {times} times"))
    for seq, times in Counter(shown.seq for shown in records.history).items():
        if times > 1:
            found.append(Finding("doubled", f"seq {seq} is in the history {times} times"))
    meant = {send.body for send in records.sends}
    found += [
        Finding("phantom", f"{shown.body!r} is in the history, but nobody sent it")
        for shown in records.history
        if shown.body not in meant
    ]
    for send in records.sends:
        if send.seq is None:
            continue
        if send.body not in by_body:
            found.append(Finding("lost", f"{send.body!r} was acknowledged as {send.seq} and is not in the history"))
        elif by_body[send.body] != send.seq:
            found.append(
                Finding("reordered", f"{send.body!r} was acknowledged as {send.seq} and is {by_body[send.body]}")
            )
    seqs = [shown.seq for shown in records.history]
    if seqs != sorted(seqs):
        found.append(Finding("reordered", "the history is not in the order of its seqs"))
    return found


def _order(records: Records) -> list[Finding]:
    """What one sender sent one after the other has ascending seqs."""
    found: list[Finding] = []
    newest: dict[str, tuple[int, str]] = {}
    for send in records.sends:
        if send.seq is None:
            continue
        before = newest.get(send.sender)
        if before is not None and send.seq <= before[0]:
            found.append(
                Finding("reordered", f"{send.sender} sent {send.body!r} ({send.seq}) after {before[1]!r} ({before[0]})")
            )
        newest[send.sender] = (send.seq, send.body)
    return found


def _readers(records: Records) -> list[Finding]:
    found: list[Finding] = []
    truth = {shown.seq: shown.body for shown in records.history}
    for reader, events in records.shown.items():
        position = records.since[reader]
        known: set[int] = set()
        for seq, body in events:
            if seq in known:
                found.append(Finding("doubled", f"{reader} was shown {seq} again"))
            elif seq == position + 1:
                position = seq
            elif seq > position + 1:
                found.append(Finding("gap", f"{reader} was shown {seq} after {position}"))
                position = seq
            else:
                found.append(Finding("reordered", f"{reader} was shown {seq} after {position}"))
            known.add(seq)
            if body is not None and truth.get(seq) != body:
                found.append(
                    Finding("phantom", f"{reader} was shown {body!r} at {seq}; the history has {truth.get(seq)!r}")
                )
        if position < records.head:
            found.append(Finding("lost", f"{reader} was shown nothing after {position}; the head is {records.head}"))
    return found
