"""Who may do what, written down cell by cell: the table that the service's verbs and HTTP are both held to.

Each string has a block for users, global moderators and admins, and in each block a column for who is no member of the room, a
member, a moderator and an owner. In a direct room there are only the first two. The signs are those of SIGNS.
"""

from collections.abc import Iterator

GLOBAL_ROLES = ("user", "moderator", "admin")
ROOM_ROLES = (None, "member", "moderator", "owner")
SIGNS = {"y": None, "-": "not_a_member", ".": "not_found", "x": "forbidden", "f": "fixed_members"}
"""What the answer is: yes, or which code."""

GRID = {
    "public": {
        "read": "-yyy -yyy -yyy",
        "send": "-yyy -yyy -yyy",
        "reply": "-yyy -yyy -yyy",
        "react": "-yyy -yyy -yyy",
        "follow": "-yyy -yyy -yyy",
        "mark read": "-yyy -yyy -yyy",
        "report": "-yyy -yyy -yyy",
        "edit own": "-yyy -yyy -yyy",
        "edit another's": "-xxx -xxx -xxx",
        "delete own": "-yyy -yyy -yyy",
        "delete another's": "-xyy yyyy yyyy",
        "pin": "-xyy -yyy -yyy",
        "revisions": "-xyy -yyy -yyy",
        "members": "-yyy -yyy -yyy",
        "invite": "-yyy yyyy yyyy",
        "reports": "xxyy yyyy yyyy",
        "mute": "xxyy yyyy yyyy",
        "mutes": "xxyy yyyy yyyy",
        "kick": "xxyy yyyy yyyy",
        "ban": "xxyy yyyy yyyy",
        "bans": "xxyy yyyy yyyy",
        "slow mode": "xxyy yyyy yyyy",
        "settings": "xxxy xxxy xxxy",
        "retention": "xxxy xxxy xxxy",
        "roles": "xxxy xxxy xxxy",
        "delete": "xxxy xxxy xxxy",
        "restore": "xxxy xxxy xxxy",
    },
    "private": {
        "read": ".yyy .yyy .yyy",
        "send": ".yyy .yyy .yyy",
        "reply": ".yyy .yyy .yyy",
        "react": ".yyy .yyy .yyy",
        "follow": ".yyy .yyy .yyy",
        "mark read": ".yyy .yyy .yyy",
        "report": ".yyy .yyy .yyy",
        "edit own": ".yyy .yyy .yyy",
        "edit another's": ".xxx .xxx .xxx",
        "delete own": ".yyy .yyy .yyy",
        "delete another's": ".xyy .xyy yyyy",
        "pin": ".xyy .xyy .yyy",
        "revisions": ".xyy .xyy .yyy",
        "members": ".yyy .yyy .yyy",
        "invite": ".xyy .xyy .xyy",
        "reports": ".xyy .xyy yyyy",
        "mute": ".xyy .xyy yyyy",
        "mutes": ".xyy .xyy yyyy",
        "kick": ".xyy .xyy yyyy",
        "ban": ".xyy .xyy yyyy",
        "bans": ".xyy .xyy yyyy",
        "slow mode": ".xyy .xyy yyyy",
        "settings": ".xxy .xxy .xxy",
        "retention": ".xxy .xxy .xxy",
        "roles": ".xxy .xxy .xxy",
        "delete": ".xxy .xxy .xxy",
        "restore": ".xxy .xxy .xxy",
    },
    "direct": {
        "read": ".y .y .y",
        "send": ".y .y .y",
        "reply": ".y .y .y",
        "react": ".y .y .y",
        "follow": ".y .y .y",
        "mark read": ".y .y .y",
        "report": ".y .y .y",
        "edit own": ".y .y .y",
        "edit another's": ".x .x .x",
        "delete own": ".y .y .y",
        "delete another's": ".x .x yy",
        "pin": ".y .y .y",
        "revisions": ".x .x .y",
        "members": ".y .y .y",
        "invite": ".f .f ff",
        "reports": ".x .x yy",
        "mute": ".f .f ff",
        "mutes": ".x .x yy",
        "kick": ".f .f ff",
        "ban": ".f .f ff",
        "bans": ".x .x yy",
        "slow mode": ".f .f ff",
        "settings": ".f .f ff",
        "retention": ".f .f ff",
        "roles": ".f .f ff",
        "delete": ".f .f .f",
        "restore": ".x .x .x",
    },
}

ROWS = [(kind, action) for kind, actions in GRID.items() for action in actions]


def cells(kind: str, action: str) -> Iterator[tuple[str, str | None, str | None]]:
    """(global role, role in the room, the code of the refusal or None)."""
    for global_role, block in zip(GLOBAL_ROLES, GRID[kind][action].split(), strict=True):
        for room_role, sign in zip(ROOM_ROLES, block, strict=False):
            yield global_role, room_role, SIGNS[sign]
