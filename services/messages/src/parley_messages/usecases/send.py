"""SEND_MANY: what a gateway's lane has collected, validated before it queues, answered when it is committed."""

from parley_messages.domain.sending import check
from parley_messages.writer import Ticket, Writer
from parley_shared.contracts.messages import NotAccepted, SendMany, SentMany
from parley_shared.errors import Refused


class SendUseCase:
    """The door to the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def send_many(self, command: SendMany) -> SentMany:
        """Outcomes in the order of the sends. A refused send leaves no hole and does not hold up the others."""
        ticket = Ticket(len(command.sends))
        for index, send in enumerate(command.sends):
            try:
                checked = check(send)
            except Refused as refusal:
                ticket.settle(index, refused(refusal))
            else:
                self._writer.enqueue(checked, ticket, index)
        return SentMany(outcomes=await ticket.outcomes())


def refused(refusal: Refused) -> NotAccepted:
    """A refusal as one send's outcome."""
    return NotAccepted(
        code=str(refusal.code), detail=refusal.detail, retry_after_ms=refusal.retry_after_ms, errors=refusal.errors
    )
