"""uvicorn's WebSocket protocol, shortened: what is read goes straight to the connection, what is written is framed already.

The handshake, masking, fragments, control frames and the closing handshake stay the library's.
"""

from asyncio import TimerHandle
from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from parley_shared.contracts.presence import Side

EXTENSION = "parley.socket"
"""Where the ASGI scope's extensions carry the protocol object."""

MOST_FRAGMENTS = 1_024
"""Fragments of one message. Empty ones count towards no size, and would be kept for as long as more of them come."""

ABORT_AFTER_S = 5.0
"""A peer that does not answer a close frame, or does not take what was written before it, is cut off after so many seconds."""


class Sink(Protocol):
    """What a connection does with what its socket reports; all of it synchronous."""

    def on_text(self, data: bytes) -> None: ...
    def on_binary(self) -> None: ...
    def on_ping(self) -> bool:
        """A ping of RFC 6455; whether it is answered."""
        ...

    def on_pong(self) -> None: ...
    def on_slow(self, slow: bool) -> None: ...
    def on_lost(self) -> None: ...


class SocketProtocol(WebSocketsSansIOProtocol):
    """`write`, `waiting_bytes`, `close`: the whole interface that the rest of the live side uses."""

    sink: Sink | None = None
    abort_timer: TimerHandle | None = None
    broken = False
    bytes_in = 0
    bytes_out = 0
    queue_peak = 0
    """Bytes that waited for the peer to take them, at most."""
    slow = False
    closed_by: tuple[int, str, Side] | None = None
    """(code, reason, side) of the first close frame: side is `server` or `client`."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)  # absent if the handshake was refused
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        self.bytes_in += len(data)
        super().data_received(data)

    def attach(self, sink: Sink) -> None:
        """From now on nothing goes through ASGI's queue."""
        self.sink = sink
        self.go_on_reading()

    def send_receive_event_to_app(self) -> None:
        sink = self.sink
        if sink is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text":
            sink.on_text(data)
        else:
            sink.on_binary()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MOST_FRAGMENTS:
            self.frames = []
            self.close(1009, "too many fragments")
        elif not self.close_sent:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if self.close_sent or (self.sink is not None and not self.sink.on_ping()):
            self.conn.data_to_send()  # the library's pong, which nobody is going to read
        else:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self.sink is not None:
            self.sink.on_pong()
        super().handle_pong(event)

    def handle_close(self, event: Frame) -> None:
        if self.closed_by is None and self.conn.close_rcvd is not None:
            self.closed_by = (self.conn.close_rcvd.code, self.conn.close_rcvd.reason, "client")
        super().handle_close(event)
        self._abort_soon()

    def handle_parser_exception(self) -> None:
        """The peer has broken RFC 6455, and the library has framed the close code that it gets for that.

        What it still sends is read and thrown away: closing a socket with unread bytes resets it, and a reset may overtake
        the close frame.
        """
        if self.sink is None:
            super().handle_parser_exception()
            return
        if self.broken:
            return
        self.broken = True
        if self.close_sent or self.conn.close_sent is None:
            # We had closed already, and the peer has answered something else.
            self.transport.close()
            return
        self.closed_by = (self.conn.close_sent.code, self.conn.close_sent.reason, "server")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
        self._abort_soon()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.slow = True
        self._measure()
        if self.sink is not None:
            self.sink.on_slow(True)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.slow = False
        if self.sink is not None:
            self.sink.on_slow(False)

    def eof_received(self) -> None:
        self._abort_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.abort_timer is not None:
            self.abort_timer.cancel()
        if self.sink is not None:
            self.sink.on_lost()

    def shutdown(self) -> None:
        """uvicorn is stopping: close like any other restart."""
        self.close(1012, "service restart")

    def _abort_soon(self) -> None:
        """Closing a transport waits for its buffer to be taken, and a peer that reads nothing never takes it."""
        if self.abort_timer is None and not self.disconnected:
            self.abort_timer = self.loop.call_later(ABORT_AFTER_S, self.transport.abort)

    # -- what connections call

    def write(self, framed: bytes) -> None:
        """Hand framed bytes to the transport; never waits. The event loop gathers one turn's writes into one system call."""
        if not self.close_sent:
            self.transport.write(framed)
            self.bytes_out += len(framed)
            if self.slow:
                self._measure()

    def _measure(self) -> None:
        self.queue_peak = max(self.queue_peak, self.waiting_bytes)

    @property
    def ending(self) -> tuple[int, str, Side]:
        """(code, reason, side) of a socket that is gone: 1006 if nobody said why."""
        return self.closed_by or (1006, "", "network")

    @property
    def traffic(self) -> dict[str, int]:
        """For the log."""
        return {"bytes_in": self.bytes_in, "bytes_out": self.bytes_out, "queue_peak": self.queue_peak}

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self.transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Leave what the peer sends in its hands and the kernel's."""
        if not self.read_paused and not self.close_sent and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def go_on_reading(self) -> None:
        """Undo `pause_reading`; closing has done so already."""
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; cut the socket off if the peer does not answer it in time."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.closed_by = (code, reason, "server")
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.go_on_reading()
        self._abort_soon()
        self.close_timer = self.abort_timer
