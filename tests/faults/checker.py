"""Reads the clients' own records of a troubled time and says what went wrong. Pure: no servers, no clock.

What it finds: `lost` (acknowledged, but not in the history, or never shown to a reader who was a member all the time; or
an acknowledged edit or deletion that has not happened; or a removal of which the removed was not told), `doubled`,
`reordered` (against the order of one sender, or of seqs), `gap` (a reader's seqs are not dense), `phantom` (shown, but not
in the history, or with another text; or in the history, but never sent), `stale` (a reader's copy of a message, kept by
events alone, is not what a fresh read says; or the search index is not what a reader sees), `leak` (somebody was shown what
came when he was no member). What the suite itself finds when it verifies is `diverged` (verified.py).

Drafts are messages that their authors go on editing and deleting. What they said at some moment nobody can tell
afterwards, since a replay shows today's text; so they are checked by what becomes of them, and all else by its text.
"""

from collections import Counter
from dataclasses import dataclass, field

DRAFT = "draft "
"""How the text of every draft begins, and no other."""


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
    body: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as its author's last acknowledgement left it. body: None once he has deleted it."""

    id: str
    body: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as somebody has it in the end. reactions: (reaction, count, the first users), sorted by reaction."""

    id: str
    seq: int
    rev: int
    body: str | None
    deleted: bool
    reactions: tuple[tuple[str, int, tuple[str, ...]], ...] = ()

    @property
    def is_draft(self) -> bool:
        return self.deleted or (self.body or "").startswith(DRAFT)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """Something of the room that somebody was shown who is not a member all the time.

    seq: of the event or message. late: shown in answer to what he asked when his removal was acknowledged already, so
    that it is wrong however old it is.
    """

    who: str
    seq: int
    what: str
    late: bool = False


@dataclass(slots=True)
class Records:
    """Of one room.

    shown: reader → everything he was shown, in the order of arrival; the body is None for what is no message, or a draft.
    since: reader → the seq after which he was a member and listening. Bodies are unique. history: without drafts.
    copies: reader → the messages after `since` as he has them by events alone. fresh: all, as a read shows them in the end.
    found: (id, rev, text) of what a member's search in the room finds in the end, by ids.
    ended: who has been removed, or never was let in → the seq from which on he may see nothing (0: nothing at all).
    told: who has been removed → the seq that his own stream named.
    """

    sends: list[Send] = field(default_factory=list)
    shown: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    history: list[Shown] = field(default_factory=list)
    head: int = 0
    drafts: list[Draft] = field(default_factory=list)
    copies: dict[str, list[Kept]] = field(default_factory=dict)
    fresh: list[Kept] = field(default_factory=list)
    found: list[tuple[str, int, str | None]] = field(default_factory=list)
    glimpses: list[Glimpse] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    told: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    detail: str


def check(records: Records) -> list[Finding]:
    """Everything that is wrong; an empty list is what one wants."""
    return [
        *_history(records),
        *_order(records),
        *_readers(records),
        *_drafts(records),
        *_copies(records),
        *_index(records),
        *_strangers(records),
    ]


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


def _drafts(records: Records) -> list[Finding]:
    found: list[Finding] = []
    truth = {kept.id: kept for kept in records.fresh}
    for draft in records.drafts:
        now = truth.get(draft.id)
        if now is None:
            found.append(Finding("lost", f"the draft {draft.body!r} was acknowledged and is not in the history"))
        elif (now.body, now.deleted) != (draft.body, draft.body is None):
            wanted = "its deletion" if draft.body is None else repr(draft.body)
            found.append(Finding("lost", f"{wanted} was acknowledged; the draft at {now.seq} is {now.body!r}"))
    meant = {draft.id for draft in records.drafts}
    found += [
        Finding("phantom", f"the draft {kept.body!r} at {kept.seq} is in the history, but nobody sent it")
        for kept in records.fresh
        if kept.is_draft and kept.id not in meant
    ]
    return found


def _copies(records: Records) -> list[Finding]:
    found: list[Finding] = []
    for reader, copy in records.copies.items():
        truth = {kept.id: kept for kept in records.fresh if kept.seq > records.since[reader]}
        has = {kept.id: kept for kept in copy}
        for identifier in truth.keys() | has.keys():
            mine, now = has.get(identifier), truth.get(identifier)
            if mine != now:
                found.append(Finding("stale", f"{reader} has {mine}; a fresh read says {now}"))
    return found


def visible(records: Records) -> list[tuple[str, int, str | None]]:
    """What a search that narrows nothing has to find, by ids."""
    return sorted((kept.id, kept.rev, kept.body) for kept in records.fresh if not kept.deleted)


def _index(records: Records) -> list[Finding]:
    wanted = visible(records)
    if records.found == wanted:
        return []
    missing = [what for what in wanted if what not in records.found]
    wrong = [what for what in records.found if what not in wanted]
    return [Finding("stale", f"search does not find {missing[:3]} of {len(missing)}, but {wrong[:3]} of {len(wrong)}")]


def _strangers(records: Records) -> list[Finding]:
    found = [
        Finding(
            "leak",
            f"{glimpse.who}, out from {records.ended[glimpse.who]} on, was shown {glimpse.what} at {glimpse.seq}",
        )
        for glimpse in records.glimpses
        if glimpse.late or glimpse.seq >= records.ended[glimpse.who]
    ]
    found += [
        Finding("lost", f"{who} was removed at {records.ended[who]}; his own stream says {seq}")
        for who, seq in records.told.items()
        if seq != records.ended[who]
    ]
    return found
