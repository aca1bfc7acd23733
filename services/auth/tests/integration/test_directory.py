from parley_shared.contracts.auth import AdminUpdateUser, FindUsers, GetUser, Me, OnlyActor, UpdateMe, UserIds
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import Auth, Person, admin, person, refusal, register, together, unique


async def test_me_is_what_others_see_and_more(auth: Auth) -> None:
    parts = await auth.replica()
    them, other = await person(parts), await person(parts)
    me = await parts.use_cases.directory.me(OnlyActor(actor=them.actor))
    seen = await parts.use_cases.directory.get_user(GetUser(actor=other.actor, user_id=them.id))
    assert (seen.id, seen.username, seen.display_name, seen.deleted) == (me.id, me.username, me.display_name, False)
    unknown = parts.use_cases.directory.get_user(GetUser(actor=other.actor, user_id=new_id()))
    assert (await refusal(unknown)).code == Code.NOT_FOUND


async def test_a_profile_changes_only_from_its_present_rev(auth: Auth) -> None:
    replicas = [await auth.replica(), await auth.replica()]
    them = await person(replicas[0])
    answers = await together(
        *(
            replicas[n % 2].use_cases.directory.update_me(UpdateMe(actor=them.actor, rev=1, display_name=f"Ada {n}"))
            for n in range(6)
        )
    )
    [won] = [answer for answer in answers if isinstance(answer, Me)]
    conflicts = [answer for answer in answers if isinstance(answer, Refused)]
    assert {(refused.code, refused.current) for refused in conflicts} == {(Code.REV_CONFLICT, won)}
    assert won.rev == 2
    again = await replicas[0].use_cases.directory.update_me(
        UpdateMe(actor=them.actor, rev=2, display_name=won.display_name)
    )
    assert again == won  # nothing changed, so the rev stands
    off = await replicas[0].use_cases.directory.update_me(UpdateMe(actor=them.actor, rev=2, read_receipts=False))
    assert (off.read_receipts, off.display_name, off.rev) == (False, won.display_name, 3)


async def test_bad_display_names_are_refused(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    for name, code in (
        ("", Code.INVALID),
        ("   ", Code.INVALID),
        ("x" * 81, Code.INVALID),
        ("two\nlines", Code.INVALID),
        ("turned \u202e around", Code.INVALID),
        ("nul\0", Code.BAD_TEXT),
        ("half\udfff", Code.BAD_TEXT),
    ):
        call = parts.use_cases.directory.update_me(UpdateMe(actor=them.actor, rev=1, display_name=name))
        assert (await refusal(call)).code == code


async def find(auth: Auth, who: Person, query: str) -> list[str]:
    parts = await auth.replica()
    found = await parts.use_cases.directory.find_users(FindUsers(actor=who.actor, query=query))
    return [user.username for user in found.items]


async def test_people_are_found_by_the_beginning_of_either_name(auth: Auth) -> None:
    parts = await auth.replica()
    boss = await admin(parts)
    ada, bea = await person(parts, "Ada"), await person(parts, "bea")
    await parts.use_cases.directory.update_me(UpdateMe(actor=bea.actor, rev=1, display_name="Ådalina_Öst 100%"))
    assert await find(auth, boss, "aDA") == [ada.username]
    assert await find(auth, boss, "@Ada-") == [ada.username]
    assert await find(auth, boss, "åDALINA_ö") == [bea.username]
    assert await find(auth, boss, "%") == []
    assert await find(auth, boss, "ådalina%") == []
    assert await find(auth, boss, "da") == []


async def test_the_disabled_are_not_found_but_still_have_a_name(auth: Auth) -> None:
    parts = await auth.replica()
    boss, them = await admin(parts), await person(parts, "gone")
    await parts.use_cases.admin.update_user(
        AdminUpdateUser(actor=boss.actor, token=boss.tokens.access_token, user_id=them.id, disabled=True)
    )
    assert await find(auth, boss, "gone") == []
    named = await parts.use_cases.directory.find_users(FindUsers(actor=boss.actor, ids=[new_id(), them.id]))
    assert [user.id for user in named.items] == [them.id]
    known = await parts.use_cases.directory.known_users(UserIds(ids=[them.id, new_id(), boss.id]))
    assert known.ids == [boss.id]
    assert (await refusal(parts.use_cases.directory.me(OnlyActor(actor=them.actor)))).code == Code.BAD_TOKEN


async def test_a_search_is_paged_without_gaps_while_others_register(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    wanted = [(await register(parts, unique("peer"))).username for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await parts.use_cases.directory.find_users(
            FindUsers(actor=them.actor, query="peer", limit=3, cursor=cursor)
        )
        seen += [user.username for user in page.items]
        await register(parts, "peer-0" + unique("")[-8:])  # before all that was read already
        cursor = page.next
        if cursor is None:
            break
    assert sorted(set(seen)) == seen
    assert set(wanted) <= set(seen)


async def test_bad_questions_are_refused(auth: Auth) -> None:
    parts = await auth.replica()
    them = await person(parts)
    ask = parts.use_cases.directory.find_users
    [page] = [await ask(FindUsers(actor=them.actor, query="user", limit=1))]
    await person(parts)
    page = await ask(FindUsers(actor=them.actor, query="user", limit=1))
    for question, code in (
        (FindUsers(actor=them.actor), Code.INVALID),
        (FindUsers(actor=them.actor, query=""), Code.INVALID),
        (FindUsers(actor=them.actor, query="nul\0"), Code.BAD_TEXT),
        (FindUsers(actor=them.actor, query="a", limit=201), Code.INVALID),
        (FindUsers(actor=them.actor, query="a", limit=0), Code.INVALID),
        (FindUsers(actor=them.actor, ids=[new_id() for _ in range(201)]), Code.INVALID),
        (FindUsers(actor=them.actor, query="a", cursor="rubbish"), Code.BAD_CURSOR),
        (FindUsers(actor=them.actor, query="a", cursor="häßlich"), Code.BAD_CURSOR),
        (FindUsers(actor=them.actor, query="other", cursor=page.next), Code.BAD_CURSOR),
    ):
        assert (await refusal(ask(question))).code == code
