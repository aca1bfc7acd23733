"""SEND_MANY: what a gateway's lane has collected, validated before it queues, answered when it is committed."""

from dataclasses import replace

from parley_messages.clients import AuthClient, MediaClient
from parley_messages.domain.mentions import mentions_in
from parley_messages.domain.sending import Checked, as_outcome, check
from parley_messages.writer import Ticket, Writer
from parley_shared.contracts.messages import SendMany, SentMany
from parley_shared.errors import Refused, invalid


class SendUseCase:
    """The door to the writer."""

    def __init__(self, writer: Writer, auth: AuthClient, media: MediaClient) -> None:
        self._writer = writer
        self._auth = auth
        self._media = media

    async def send_many(self, command: SendMany) -> SentMany:
        """Outcomes in the order of the sends. A refused send leaves no hole and does not hold up the others."""
        ticket = Ticket(len(command.sends))
        checked: dict[int, Checked] = {}
        naming: list[int] = []
        for index, send in enumerate(command.sends):
            try:
                checked[index] = check(send)
            except Refused as refusal:
                ticket.settle(index, as_outcome(refusal))
            else:
                if "@" in send.body:
                    naming.append(index)
        if naming:
            await self._resolve(checked, naming, ticket)
        showing = [index for index, send_checked in checked.items() if send_checked.image_ids]
        if showing:
            await self._claim(checked, showing)
        for index, send_checked in checked.items():
            self._writer.enqueue(send_checked, ticket, index)
        return SentMany(outcomes=await ticket.outcomes())

    async def _claim(self, checked: dict[int, Checked], showing: list[int]) -> None:
        """The images of these sends. What is refused for them is refused by the writer, who knows whether it is a retry of a message
        that is there already."""
        try:
            found = await self._media.claim([checked[index] for index in showing])
        except Refused as refusal:
            for index in showing:
                checked[index] = replace(checked[index], refusal=refusal)
            return
        for index, images in zip(showing, found, strict=True):
            missing = len(images) < len(checked[index].image_ids)
            why = invalid(media_ids="images of your own that are ready") if missing else None
            checked[index] = replace(checked[index], images=tuple(images), refusal=why)

    async def _resolve(self, checked: dict[int, Checked], naming: list[int], ticket: Ticket) -> None:
        """Who is named. If auth must be asked and is away, those sends are answered `unavailable`: a mention that silently
        reached nobody would be worse than a retry."""
        found = {index: mentions_in(checked[index].body, checked[index].format) for index in naming}
        try:
            users = await self._auth.named(found.values())
        except Refused as refusal:
            for index, mentions in found.items():
                if mentions.names:
                    ticket.settle(index, as_outcome(refusal))
                    del checked[index]
                else:
                    checked[index] = replace(checked[index], mention_all=mentions.everybody)
            return
        for (index, mentions), named in zip(found.items(), users, strict=True):
            checked[index] = replace(checked[index], mentioned=named, mention_all=mentions.everybody)
