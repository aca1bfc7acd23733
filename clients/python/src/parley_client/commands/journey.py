"""`parley journey`: where one message has come, and whom it was told of."""

from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from parley_client.client import Client
from parley_client.commands.chat import Names
from parley_client.commands.session import find_room_id, out, run
from parley_client.errors import ApiError, ParleyError
from parley_client.models import Journey, JourneyDecision, JourneyPart

RULES = {
    "mentioned": "named in it",
    "everybody_mentioned": "everybody is named in it",
    "direct_room": "the room is a direct one",
    "follows_thread": "follows the thread",
    None: "by none that holds today",
}
OUTCOMES = {
    "notified": "notified",
    "waiting": "about to be notified",
    "not_notified": "not notified",
    "level": "not notified: the level that he has set for the room",
    "blocked": "not notified: one of the two has blocked the other",
    "not_a_member": "not notified: not a member since then",
}
HIDDEN = ("not_found", "not_a_member")


def journey(
    message_id: Annotated[UUID, typer.Argument(metavar="MESSAGE", help="Its id, as `parley send` shows it.")],
    room: Annotated[str | None, typer.Option(help="Its room; looked for among one's own, if absent.")] = None,
) -> None:
    """From its commit to the devices that have it; for its sender, and for an admin with access to the room."""

    async def work(client: Client) -> None:
        room_id = await _room_of(client, message_id) if room is None else await find_room_id(client, room)
        await show(client, await client.journey(room_id, message_id))

    run(work)


async def _room_of(client: Client, message_id: UUID) -> UUID:
    """Which of one's own rooms has it, the most recently active first. Raises ParleyError, ApiError."""
    cursor: str | None = None
    while True:
        page = await client.rooms(limit=200, cursor=cursor)
        for room in page.items:
            try:
                await client.message(room.id, message_id)
            except ApiError as error:
                if error.code not in HIDDEN:
                    raise
            else:
                return room.id
        cursor = page.next
        if cursor is None:
            raise ParleyError(f"None of your rooms has a message {message_id}. Name the room: --room")


async def show(client: Client, found: Journey) -> None:
    names = Names(client)
    await names.learn(
        list(
            {
                *(recipient.user_id for recipient in found.recipients or ()),
                *(decision.user_id for decision in found.notifications or ()),
                *(device.user_id for part in found.gateways for device in part.devices),
            }
        )
    )
    committed = found.committed
    by = "" if committed.replica is None else f" by {escape(committed.replica)}"
    out.print(f"[green]✓[/green] committed  {committed.at:%Y-%m-%d %H:%M:%S.%f} UTC{by}, seq {committed.seq}")
    if found.published.relayed:
        out.print("[green]✓[/green] published")
    else:
        out.print(f"[yellow]…[/yellow] waits to be published since {found.published.waiting_since:%H:%M:%S} UTC")
    for part in found.gateways:
        await _show_part(names, part)
    out.print(f"  {found.members} members, delivered to {found.delivered}, read by {found.read}")
    for recipient in found.recipients or ():
        out.print(f"    {recipient.state:<9}  {escape(await names.of(recipient.user_id))}")
    waiting = ", more are about to be" if found.waiting else ""
    out.print(f"  {found.notified} notified{waiting}")
    for decision in found.notifications or ():
        out.print(f"    {escape(await names.of(decision.user_id))}: {_said(decision)}")


async def _show_part(names: Names, part: JourneyPart) -> None:
    when = "" if part.at is None else f" {part.at:%H:%M:%S.%f}"
    told = f"[green]✓[/green] handed over{when}" if part.handed_over else "·"
    out.print(f"{told}  {escape(part.gateway)}")
    for device in part.devices:
        state = "read" if device.read else "delivered" if device.delivered else "says nothing of it"
        there = "" if device.connected else ", not connected now"
        called = f" ({escape(device.device_id)})" if device.device_id else ""
        out.print(f"    {state:<9}  {escape(await names.of(device.user_id))}{called}{there}")


def _said(decision: JourneyDecision) -> str:
    read = ", and has read it" if decision.read else ""
    rule = RULES.get(decision.rule, decision.rule)
    return f"{OUTCOMES.get(decision.outcome, decision.outcome)}{read} ({decision.kind}: {rule})"
