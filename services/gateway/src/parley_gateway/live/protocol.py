"""uvicorn's WebSocket protocol, shortened: what is read goes straight to the connection, what is written is framed already.

The handshake, masking, fragments, control frames and the closing handshake stay the library's.
"""

from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

EXTENSION = "parley.socket"
"""Where the ASGI scope's extensions carry the protocol object."""

ABORT_AFTER_S = 5.0
"""A peer that does not answer a close frame is cut off after so many seconds."""


class Sink(Protocol):
    """What a connection does with what its socket reports; all of it synchronous."""

    def on_text(self, data: bytes) -> None: ...
    def on_binary(self) -> None: ...
    def on_life(self) -> None: ...
    def on_slow(self, slow: bool) -> None: ...
    def on_lost(self) -> None: ...


class SocketProtocol(WebSocketsSansIOProtocol):
    """`write`, `waiting_bytes`, `close`: the whole interface that the rest of the live side uses."""

    sink: Sink | None = None
    closed_by: tuple[int, str, str] | None = None
    """(code, reason, side) of the first close frame: side is `server` or `client`."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)  # absent if the handshake was refused
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    def attach(self, sink: Sink) -> None:
        """From now on nothing goes through ASGI's queue."""
        self.sink = sink
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def send_receive_event_to_app(self) -> None:
        sink = self.sink
        if sink is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        sink.on_life()
        if self.curr_msg_data_type == "text":
            sink.on_text(data)
        else:
            sink.on_binary()

    def handle_ping(self) -> None:
        if self.sink is not None:
            self.sink.on_life()
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self.sink is not None:
            self.sink.on_life()
        super().handle_pong(event)

    def handle_close(self, event: Frame) -> None:
        if self.closed_by is None and self.conn.close_rcvd is not None:
            self.closed_by = (self.conn.close_rcvd.code, self.conn.close_rcvd.reason, "client")
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        if self.closed_by is None and self.conn.close_sent is not None:
            self.closed_by = (self.conn.close_sent.code, self.conn.close_sent.reason, "server")
        super().handle_parser_exception()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.sink is not None:
            self.sink.on_slow(True)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.sink is not None:
            self.sink.on_slow(False)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.sink is not None:
            self.sink.on_lost()

    def shutdown(self) -> None:
        """uvicorn is stopping: close like any other restart."""
        self.close(1012, "service restart")

    # -- what connections call

    def write(self, framed: bytes) -> None:
        """Hand framed bytes to the transport; never waits. The event loop gathers one turn's writes into one system call."""
        if not self.close_sent:
            self.transport.write(framed)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self.transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; cut the socket off if the peer does not answer it in time."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.closed_by = (code, reason, "server")
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
