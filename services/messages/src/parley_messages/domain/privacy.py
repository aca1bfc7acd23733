"""Who can read what in a room, in plain words: what the API answers, and what docs/sealed-rooms.md explains."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Privacy:
    """summary: one sentence. not_protected: what this kind of room does not protect against."""

    summary: str
    searchable: bool
    can_read: tuple[str, ...]
    cannot_read: tuple[str, ...]
    not_protected: tuple[str, ...]


_MEMBERS = {
    "all": "its members, from the first message on",
    "since_join": "its members, from when they joined, until they leave",
}
_ADMIN = "an admin who was granted access: with a reason, for minutes, in the audit trail, and its owners are told"
_OUTSIDERS = (
    "people who are no members; in a public room everybody may join",
    "admins and moderators by their office alone",
)

PLAIN = Privacy(
    summary="Plain: messages lie in the database as text, and its members find them by search.",
    searchable=True,
    can_read=("who operates this server: in the database, and in every backup of it", _ADMIN),
    cannot_read=_OUTSIDERS,
    not_protected=(
        "whoever gets hold of the database or of a backup reads everything",
        "members can copy what they see",
    ),
)

SEALED = Privacy(
    summary=(
        "Sealed: messages and images are encrypted at rest. The server holds the keys, so the server can read them. They are not"
        " searchable. This is not end-to-end encryption."
    ),
    searchable=False,
    can_read=("who operates this server, with access to a running process or to the wrapping key", _ADMIN),
    cannot_read=(
        *_OUTSIDERS,
        "whoever has only the database, a backup of it, the message bus's disk, the image store or the logs",
    ),
    not_protected=(
        "a server that was taken over, or whose operator wants to read along",
        "whoever has the database and the wrapping key together",
        "what is not text or image: the room's name and topic, who is a member, who wrote when and how much, reactions, reasons of"
        " kicks, mutes and bans",
        "members can copy what they see",
    ),
)


def describe(encryption: str, *, public: bool, history: str) -> Privacy:
    """For a room of this kind, members first."""
    kind = SEALED if encryption == "sealed" else PLAIN
    who = _MEMBERS[history] + (", and anybody may become one" if public else "")
    return Privacy(kind.summary, kind.searchable, (who, *kind.can_read), kind.cannot_read, kind.not_protected)
