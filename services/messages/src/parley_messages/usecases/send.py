"""SEND_MANY: what a gateway's lane has collected, validated before it queues, answered when it is committed."""

from dataclasses import replace

from parley_messages.clients import AuthClient
from parley_messages.domain.mentions import mentions_in
from parley_messages.domain.sending import Checked, check
from parley_messages.writer import Ticket, Writer
from parley_shared.contracts.messages import NotAccepted, SendMany, SentMany
from parley_shared.errors import Refused


class SendUseCase:
    """The door to the writer."""

    def __init__(self, writer: Writer, auth: AuthClient) -> None:
        self._writer = writer
        self._auth = auth

    async def send_many(self, command: SendMany) -> SentMany:
        """Outcomes in the order of the sends. A refused send leaves no hole and does not hold up the others."""
        ticket = Ticket(len(command.sends))
        checked: dict[int, Checked] = {}
        naming: list[int] = []
        for index, send in enumerate(command.sends):
            try:
                checked[index] = check(send)
            except Refused as refusal:
                ticket.settle(index, refused(refusal))
            else:
                if "@" in send.body:
                    naming.append(index)
        if naming:
            await self._resolve(checked, naming, ticket)
        for index, send_checked in checked.items():
            self._writer.enqueue(send_checked, ticket, index)
        return SentMany(outcomes=await ticket.outcomes())

    async def _resolve(self, checked: dict[int, Checked], naming: list[int], ticket: Ticket) -> None:
        """Who is named. If auth must be asked and is away, those sends are answered `unavailable`: a mention that silently
        reached nobody would be worse than a retry."""
        found = {index: mentions_in(checked[index].body, checked[index].format) for index in naming}
        try:
            users = await self._auth.named(found.values())
        except Refused as refusal:
            for index, mentions in found.items():
                if mentions.names:
                    ticket.settle(index, refused(refusal))
                    del checked[index]
                else:
                    checked[index] = replace(checked[index], mention_all=mentions.everybody)
            return
        for (index, mentions), named in zip(found.items(), users, strict=True):
            checked[index] = replace(checked[index], mentioned=named, mention_all=mentions.everybody)


def refused(refusal: Refused) -> NotAccepted:
    """A refusal as one send's outcome."""
    return NotAccepted(
        code=str(refusal.code), detail=refusal.detail, retry_after_ms=refusal.retry_after_ms, errors=refusal.errors
    )
