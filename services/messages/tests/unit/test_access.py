"""The table of who may do what, cell by cell, written down a second time; and the one predicate of visibility."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_messages.domain.access import CONTENT, MAY, RANK, Action, Standing, demand, demand_higher, may, visible
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

ROLES = ("member", "moderator", "owner")
MEMBERS = {"member", "moderator", "owner"}
MODERATORS = {"moderator", "owner"}
OWNERS = {"owner"}

OFFICE_PUBLIC = {"global moderator", "admin", "joined global moderator", "joined admin"}
OFFICE_ANY = {"admin", "joined admin"}
JOINED = MEMBERS | {"joined global moderator", "joined admin"}

EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    # action: (who may in a public room, who may in a private one)
    "read": (JOINED, JOINED),
    "send": (JOINED, JOINED),
    "react": (JOINED, JOINED),
    "mark as read, and follow threads": (JOINED, JOINED),
    "report messages": (JOINED, JOINED),
    "edit your messages": (JOINED, JOINED),
    "delete your messages": (JOINED, JOINED),
    "delete other people's messages": (MODERATORS | OFFICE_PUBLIC, MODERATORS | OFFICE_ANY),
    "pin messages": (MODERATORS | {"joined global moderator", "joined admin"}, MODERATORS | {"joined admin"}),
    "see other people's revisions": (
        MODERATORS | {"joined global moderator", "joined admin"},
        MODERATORS | {"joined admin"},
    ),
    "list members": (JOINED, JOINED),
    "add members": (JOINED | OFFICE_PUBLIC, MODERATORS),
    "see reports": (MODERATORS | OFFICE_PUBLIC, MODERATORS | OFFICE_ANY),
    "mute members": (MODERATORS | OFFICE_PUBLIC, MODERATORS | OFFICE_ANY),
    "remove members": (MODERATORS | OFFICE_PUBLIC, MODERATORS | OFFICE_ANY),
    "ban people": (MODERATORS | OFFICE_PUBLIC, MODERATORS | OFFICE_ANY),
    "set slow mode": (MODERATORS | OFFICE_PUBLIC, MODERATORS | OFFICE_ANY),
    "change settings": (OWNERS, OWNERS),
    "give roles": (OWNERS, OWNERS),
    "delete the room": (OWNERS, OWNERS),
    "restore the room": (OWNERS, OWNERS),
}


GLOBAL_ROLE = {
    "global moderator": "moderator",
    "joined global moderator": "moderator",
    "admin": "admin",
    "joined admin": "admin",
}


def standing(who: str, *, public: bool, deleted: bool = False) -> Standing:
    return Standing(
        user_id=new_id(),
        global_role=GLOBAL_ROLE.get(who, "user"),
        room_role=who if who in ROLES else "member" if who.startswith("joined") else None,
        public=public,
        deleted=deleted,
    )


EVERYBODY = ("outsider", *ROLES, "global moderator", "joined global moderator", "admin", "joined admin")


def test_the_table_has_a_row_for_every_action() -> None:
    assert set(EXPECTED) == {action.value for action in MAY} == {action.value for action in Action}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
@pytest.mark.parametrize("who", EVERYBODY)
def test_each_cell_says_what_the_rules_say(who: str, public: bool, action: Action) -> None:
    allowed = EXPECTED[action.value][0 if public else 1]
    assert may(standing(who, public=public), action) is (who in allowed)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("who", ["outsider", "global moderator"])
def test_a_private_room_is_not_there_for_who_is_no_member(who: str, action: Action) -> None:
    with pytest.raises(Refused) as caught:
        demand(standing(who, public=False), action)
    assert caught.value.code == Code.NOT_FOUND


@pytest.mark.parametrize("action", sorted(CONTENT))
@pytest.mark.parametrize("who", ["outsider", "global moderator", "admin"])
def test_the_content_of_a_public_room_is_for_who_has_joined_it(who: str, action: Action) -> None:
    if who in EXPECTED[action.value][0]:
        return
    with pytest.raises(Refused) as caught:
        demand(standing(who, public=True), action)
    assert caught.value.code == Code.NOT_A_MEMBER


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("action", [Action.UPDATE, Action.SET_ROLE, Action.DELETE, Action.RESTORE])
@pytest.mark.parametrize("role", ["member", "moderator"])
def test_a_member_without_the_office_is_told_so(role: str, action: Action, public: bool) -> None:
    with pytest.raises(Refused) as caught:
        demand(standing(role, public=public), action)
    assert caught.value.code == Code.FORBIDDEN


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("who", [who for who in EVERYBODY if who != "owner"])
def test_a_deleted_room_is_gone_for_all_but_its_owners(who: str, action: Action, public: bool) -> None:
    gone = standing(who, public=public, deleted=True)
    assert not may(gone, action)
    with pytest.raises(Refused) as caught:
        demand(gone, action)
    assert caught.value.code == Code.NOT_FOUND


def test_an_owner_may_look_at_a_deleted_room_and_restore_it_and_nothing_else() -> None:
    owner = standing("owner", public=True, deleted=True)
    assert {action for action in Action if may(owner, action)} == {Action.READ, Action.LIST_MEMBERS, Action.RESTORE}


@pytest.mark.parametrize("target", ROLES)
@pytest.mark.parametrize("who", EVERYBODY)
def test_nobody_acts_on_an_equal_or_higher_role(who: str, target: str) -> None:
    rank = RANK["moderator"] if who in GLOBAL_ROLE else RANK.get(who, 0)
    if rank > RANK[target]:
        demand_higher(standing(who, public=True), target)
    else:
        with pytest.raises(Refused) as caught:
            demand_higher(standing(who, public=True), target)
        assert caught.value.code == Code.FORBIDDEN


def test_a_global_moderator_who_has_joined_as_a_member_keeps_his_office() -> None:
    both = Standing(user_id=new_id(), global_role="moderator", room_role="member", public=True)
    assert may(both, Action.REMOVE_MEMBER)
    assert not may(both, Action.DELETE)
    demand_higher(both, "member")


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("action", Action)
def test_a_grant_lets_an_admin_read_and_nothing_else(action: Action, public: bool) -> None:
    without = standing("admin", public=public)
    granted = replace(without, granted=True)
    assert may(granted, action) is (action is Action.READ or may(without, action))
    assert granted.visible is without.visible, "what one may read by office one may still not join"
    assert not may(replace(granted, deleted=True), action)


@pytest.mark.parametrize(
    ("who", "public", "their_role", "their_global", "higher"),
    [
        ("moderator", True, "member", "moderator", False),
        ("moderator", True, None, "moderator", False),
        ("moderator", False, "member", "moderator", True),
        ("moderator", False, "member", "admin", False),
        ("moderator", True, None, "user", True),
        ("owner", True, "member", "admin", True),
        ("owner", False, "owner", "user", False),
        ("admin", False, "member", "moderator", True),
        ("admin", True, "member", "moderator", False),
        ("admin", True, None, "admin", False),
        ("global moderator", True, "member", "user", True),
    ],
)
def test_of_somebodys_two_roles_the_higher_counts(
    who: str, public: bool, their_role: str | None, their_global: str, higher: bool
) -> None:
    if higher:
        demand_higher(standing(who, public=public), their_role, their_global)
    else:
        with pytest.raises(Refused) as caught:
            demand_higher(standing(who, public=public), their_role, their_global)
        assert caught.value.code == Code.FORBIDDEN


@st.composite
def memberships(draw: st.DrawFn) -> list[tuple[int, int | None]]:
    bounds = draw(st.lists(st.integers(1, 40), unique=True, min_size=1, max_size=8).map(sorted))
    found: list[tuple[int, int | None]] = list(zip(bounds[::2], bounds[1::2], strict=False))
    if len(bounds) % 2:
        found.append((bounds[-1], None))
    return found


@given(intervals=memberships(), seq=st.integers(0, 45))
def test_what_is_visible_is_the_union_of_the_intervals_of_a_present_member(
    intervals: list[tuple[int, int | None]], seq: int
) -> None:
    present = intervals[-1][1] is None
    inside = any(seq in range(start, 1_000 if end is None else end) for start, end in intervals)
    assert visible("all", intervals, seq) is present
    assert visible("since_join", intervals, seq) is (present and inside)


def test_who_never_joined_sees_nothing() -> None:
    assert not visible("all", [], 1)
