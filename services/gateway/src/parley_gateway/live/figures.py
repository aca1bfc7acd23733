"""What is counted of sockets, and what they say. Labels are looked up once, since looking one up costs more than counting."""

import time
from datetime import datetime
from typing import Final, get_args

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from parley_shared.contracts import frames
from parley_shared.contracts.frames import CloseCode
from parley_shared.metrics import LATENCY

sockets = Gauge("parley_connections", "Open WebSockets")
closed = Counter("parley_connections_closed", "WebSockets closed, by close code and side", ["code", "side"])
opening_seconds = Histogram(
    "parley_opening_seconds", "Time from a good token until a socket follows all its streams", buckets=LATENCY
)
openings = Counter(
    "parley_openings",
    "Sockets that wanted to sign in, by outcome: live, held_back (to come again a little later), or a code",
    ["outcome"],
)
resumes = Counter(
    "parley_resumes",
    "Sockets that came back, by how they found their streams, worst first: resync, gone, recovered, current",
    ["outcome"],
)
replayed_events = Counter("parley_replayed_events", "Events that were told to who had missed them")
replayed_bytes = Counter("parley_replayed_bytes", "Bytes of these")
refused = Counter(
    "parley_commands_refused", "Frames other than sends that were answered with an error, by code", ["code"]
)
slow = Counter("parley_readers_slow", "Times that a socket did not take what was written to it")
hints_dropped = Counter("parley_hints_dropped", "Receipts, typing and presence that a slow socket was not told")

_delivery_seconds = Histogram(
    "parley_delivery_seconds",
    "Time from an event's commit, by the database's clock, until it is handed to sockets, by this machine's; of one live message in 16",
    buckets=LATENCY,
)
_frames = Counter("parley_frames", "Frames of clients, by type; wrong is what is none", ["type"])
wrong_frames: Final = _frames.labels("wrong")
frames_by_type: Final = {kind: _frames.labels(str(kind.__struct_config__.tag)) for kind in get_args(frames.ClientFrame)}

_CLOSE_CODES: Final = {
    *(value for value in vars(CloseCode).values() if isinstance(value, int)),
    *(1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012),
}


def close_code(code: int) -> str:
    """As a label. A client may close with any number, and each would be a series of its own."""
    return str(code) if code in _CLOSE_CODES else "other"


class _Moment(msgspec.Struct, frozen=True):
    at: datetime


class _Event(msgspec.Struct, frozen=True):
    """As much of an event as says how old it is."""

    event: _Moment


_decode_event = msgspec.json.Decoder(_Event).decode


def observe_delivery(framed: bytes) -> None:
    """An event, as it is handed to sockets."""
    try:
        at = _decode_event(framed[framed.index(b"{") :]).event.at
    except (ValueError, msgspec.MsgspecError):
        # Of another form than this release knows; clients get it all the same.
        return
    _delivery_seconds.observe(max(0.0, time.time() - at.timestamp()))
