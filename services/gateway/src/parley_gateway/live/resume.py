"""What a returning client has missed, pulled from messages before `ready` says what will be replayed."""

from dataclasses import dataclass, field

import msgspec

from parley_gateway.live.framing import frame_text
from parley_shared.contracts.base import Actor
from parley_shared.contracts.messages import REPLAY, Replay, ReplayWant, StreamState, StreamStatus
from parley_shared.errors import unavailable
from parley_shared.limits import RESUME_BYTES
from parley_shared.messaging.rpc import RpcClient


@dataclass(slots=True)
class Recovered:
    """chunks: framed events, in order, a write each. resync: streams that did not fit; gone: no longer visible."""

    chunks: list[bytes] = field(default_factory=list)
    resync: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def status(self, state: StreamState) -> StreamStatus:
        """The status that `ready` reports."""
        if state.stream in self.gone:
            return "gone"
        return "resync" if state.stream in self.resync else state.status

    def outcome(self, states: list[StreamState]) -> str:
        """In a word, for the log: how the resume went, worst first."""
        seen = {self.status(state) for state in states}
        return next((word for word in ("resync", "gone", "recovered") if word in seen), "current")


async def replay(rpc: RpcClient, actor: Actor, states: list[StreamState]) -> Recovered:
    """Pull the streams that say `recovered`, each whole and in their order; from the first that does not fit in 1 MiB of
    frames all are `resync`.

    Raises Refused: UNAVAILABLE.
    """
    recovered = Recovered()
    wants = [
        ReplayWant(stream=state.stream, after=state.after, upto=state.head)
        for state in states
        if state.status == "recovered"
    ]
    size = 0
    current: list[bytes] = []
    while wants:
        answer = await rpc.call(REPLAY, Replay(actor=actor, wants=wants))
        if not answer.parts:
            # It cannot be, so it must not be asked in a hot loop.
            raise unavailable("What you have missed cannot be read at the moment; try again.")
        for part in answer.parts:
            want = wants[0]
            if part.gone:
                recovered.gone.add(want.stream)
                current = []
                wants.pop(0)
                continue
            framed = [frame_text(_bytes(payload)) for payload in part.frames]
            size += sum(map(len, framed))
            if size > RESUME_BYTES:
                recovered.resync.update(rest.stream for rest in wants)
                return recovered
            current += framed
            if part.complete:
                recovered.chunks += current
                current = []
                wants.pop(0)
            else:
                wants[0] = ReplayWant(stream=want.stream, after=part.last, upto=want.upto)
    return recovered


def _bytes(payload: msgspec.Raw) -> bytes:
    return bytes(payload)
