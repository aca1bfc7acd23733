"""Finding messages among what somebody may see now, and showing where in a text the words are."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

import msgspec

from parley_search.analysis import Analysers, fold
from parley_search.clients import AuthClient, MessagesClient
from parley_search.domain import IMAGE, sender_mark
from parley_search.query import Query, clauses, parse, spans, tsquery
from parley_search.store.finding import Finder, Place, TooBroadError, Wanted, part
from parley_shared.contracts.indexing import ScopeRoom
from parley_shared.contracts.search import Highlight, Highlights, Hit, Hits, Search
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import invalid

_ALL = ((0, None),)


class Searching:
    """The verbs `search` and `highlight`."""

    def __init__(self, finder: Finder, auth: AuthClient, messages: MessagesClient, analysers: Analysers) -> None:
        self._finder = finder
        self._auth = auth
        self._messages = messages
        self._analysers = analysers

    async def search(self, cmd: Search) -> Hits:
        """The newest first, page by page; what is sent meanwhile does not move the pages that follow.

        Raises Refused: INVALID for what cannot be searched for, or takes too long; BAD_TEXT, BAD_CURSOR, UNAVAILABLE.
        """
        limit = checked_limit(cmd.limit)
        asked = parse(cmd.q)
        after, before = (
            _latest(asked.after, _utc("after", cmd.after)),
            _earliest(asked.before, _utc("before", cmd.before)),
        )
        if not (asked.demands or cmd.room_id or cmd.sender_id or cmd.has or after or before):
            raise invalid(
                q='something to look for: a word, a "phrase", from:name, in:room, has:image, before: or after: a day'
            )
        question = _question(cmd)
        than = None if cmd.cursor is None else read_cursor(cmd.cursor, question, tuple[datetime, UUID])
        with part("scope"):
            scope, people = await asyncio.gather(
                self._messages.scope(cmd.actor, cmd.room_id), self._people((*asked.senders, *asked.not_senders))
            )
        each = _demanded(asked, cmd, people)
        rooms = _among(scope, asked)
        if each is None or not rooms:
            return Hits(items=[])
        none = [sender_mark(people[name]) for name in asked.not_senders if name in people]
        none += [IMAGE] if asked.image is False else []
        try:
            async with self._finder.begin() as finding:
                queries = {
                    language: tsquery(clauses(asked.terms, self._analysers.of(language)), each=each, none=none)
                    for language in {room.language for room in rooms}
                }
                found = await finding.find(
                    Wanted(
                        places=[
                            Place(
                                room.room_id,
                                queries[room.language] or None,
                                _ALL if room.intervals is None else room.intervals,
                            )
                            for room in rooms
                        ],
                        words=_words(queries.values()) if each or asked.says_words else None,
                        after=after,
                        before=before,
                        than=than,
                        limit=limit + 1,
                    )
                )
        except TooBroadError:
            raise invalid(
                q="that takes too long to look for: say where (in:room), of whom (from:name), or since when (after:2026-11-24)"
            ) from None
        more = None
        if len(found) > limit:
            more = write_cursor(question, found[limit - 1].created_at, found[limit - 1].message_id)
        languages = {room.room_id: room.language for room in rooms}
        return Hits(
            items=[
                Hit(room_id=item.room_id, message_id=item.message_id, language=languages[item.room_id])
                for item in found[:limit]
            ],
            next=more,
        )

    async def _people(self, names: Sequence[str]) -> dict[str, UUID]:
        """Whom these name, as far as anybody is called so."""
        if not names:
            return {}
        plain = {name: name.removeprefix("@") for name in names}
        found = await self._auth.named(sorted(set(plain.values())))
        return {name: found[typed] for name, typed in plain.items() if typed in found}

    async def highlight(self, cmd: Highlight) -> Highlights:
        """Raises Refused: INVALID, BAD_TEXT."""
        terms = parse(cmd.q).terms
        found = []
        for text in cmd.texts:
            analyser = self._analysers.of(text.language)
            found.append(spans(clauses(terms, analyser), analyser.analyse(text.body)) if terms else [])
            # Others have their turn between two texts, which may be long.
            await asyncio.sleep(0)
        return Highlights(spans=found)


def _demanded(asked: Query, cmd: Search, people: dict[str, UUID]) -> list[list[str]] | None:
    """Groups of marks; a message must have one of each. None: nothing can have that."""
    each: list[list[str]] = []
    if asked.senders:
        senders = [sender_mark(people[name]) for name in asked.senders if name in people]
        if not senders:
            return None
        each.append(senders)
    if cmd.sender_id is not None:
        each.append([sender_mark(cmd.sender_id)])
    if asked.image or cmd.has == "image":
        each.append([IMAGE])
    return each


def _among(scope: Iterable[ScopeRoom], asked: Query) -> list[ScopeRoom]:
    """The rooms that are searched."""
    wanted, unwanted = set(map(_room_key, asked.rooms)), set(map(_room_key, asked.not_rooms))
    rooms = []
    for room in scope:
        keys = {str(room.room_id)} if room.name is None else {str(room.room_id), _room_key(room.name)}
        if (wanted & keys or not wanted) and not unwanted & keys:
            rooms.append(room)
    return rooms


def _room_key(name: str) -> str:
    return " ".join(fold(name.removeprefix("#")).split())


def _words(queries: Iterable[str]) -> str:
    """What is in each match, whatever the language of its room."""
    return " | ".join(f"({query})" for query in sorted(set(queries)))


def _question(cmd: Search) -> str:
    """A cursor belongs to whoever asked, and to what was asked for."""
    parts = (cmd.actor.user_id, cmd.q, cmd.room_id, cmd.sender_id, cmd.after, cmd.before, cmd.has)
    return f"search:{blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()}"


def _utc(field: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except OverflowError:
        pass
    raise invalid(**{field: "an instant, with its time zone"})


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
