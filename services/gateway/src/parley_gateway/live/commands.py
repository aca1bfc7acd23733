"""What each frame of a live socket asks for. A new command is one function here and one line in `HANDLERS`.

A function that must wait is wrapped in `in_turn`: such commands of a connection run one after the other, and are acknowledged
when they return.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from opentelemetry.trace import Span

from parley_gateway.live.connection import Connection, Handler, Handlers
from parley_gateway.live.framing import frame
from parley_gateway.live.lanes import note_outcome
from parley_shared.contracts import conversation, frames
from parley_shared.contracts import messages as contract
from parley_shared.errors import Code, Refused, not_found
from parley_shared.ids import room_stream
from parley_shared.telemetry import under, written

MOST_SEQ = 2**63 - 1
"""A larger one fits into no database, and would spoil a flush in which the positions of others travel."""

_PONG = frame(frames.PongFrame())

Asked = TypeVar("Asked", bound=Any)  # Any: a command, whose id is an integer


def in_turn(command: Callable[[Connection, Asked], Coroutine[None, None, None]]) -> Handler:
    """A handler of a command that waits."""

    def handler(connection: Connection, asked: Asked) -> None:
        connection.in_turn(asked.id, _traced(command, connection, asked))

    return handler


async def _traced(
    command: Callable[[Connection, Asked], Coroutine[None, None, None]], connection: Connection, asked: Asked
) -> None:
    with under(connection.context.sampler.begin(type(asked).__struct_config__.tag, asked.trace)):
        await command(connection, asked)


def ping(connection: Connection, _asked: frames.Ping) -> None:
    connection.write_framed(_PONG)


def pong(_connection: Connection, _asked: frames.Pong) -> None:
    """A sign of life, like any frame."""


def auth(connection: Connection, asked: frames.Auth) -> None:
    """A second one. The first is taken by `opening`."""
    connection.answer(asked.id, Refused(Code.INVALID, "This socket is authenticated already; use refresh."))


def send(connection: Connection, asked: frames.Send) -> None:
    """Into the lane of its room; the outcome is the answer."""
    connection.send_begins()
    identifier = asked.id
    span = connection.context.sampler.begin("send", asked.trace)
    connection.context.lanes.put(
        contract.Send(
            actor=connection.actor,
            room_id=asked.room_id,
            client_msg_id=asked.client_msg_id,
            body=asked.body,
            format=asked.format,
            thread_root_id=asked.thread_root_id,
            media_ids=asked.media_ids,
            trace=None if span is None else written(span),
        ),
        lambda outcome: _on_outcome(connection, identifier, outcome, span),
    )


def _on_outcome(
    connection: Connection, identifier: int, outcome: contract.Accepted | contract.NotAccepted, span: Span | None
) -> None:
    connection.send_ends()
    if span is not None:
        note_outcome(span, outcome)
        span.end()
    if not connection.is_open:
        return
    if isinstance(outcome, contract.Accepted):
        connection.write(
            frames.SendAck(
                id=identifier,
                message_id=outcome.message_id,
                seq=outcome.seq,
                n=outcome.n,
                created_at=outcome.created_at,
                duplicate=outcome.duplicate,
            )
        )
    else:
        connection.write(
            frames.Error(
                id=identifier,
                code=outcome.code,
                detail=outcome.detail,
                retry_after_ms=outcome.retry_after_ms,
                errors=outcome.errors,
            )
        )


async def edit(connection: Connection, asked: frames.Edit) -> None:
    request = conversation.EditMessage(
        actor=connection.actor, room_id=asked.room_id, message_id=asked.message_id, rev=asked.rev, body=asked.body
    )
    await connection.context.rpc.call(conversation.EDIT_MESSAGE, request)


async def delete(connection: Connection, asked: frames.Delete) -> None:
    request = conversation.DeleteMessage(
        actor=connection.actor, room_id=asked.room_id, message_id=asked.message_id, reason=asked.reason
    )
    await connection.context.rpc.call(conversation.DELETE_MESSAGE, request)


async def react(connection: Connection, asked: frames.React) -> None:
    request = conversation.ReactTo(
        actor=connection.actor, room_id=asked.room_id, message_id=asked.message_id, reaction=asked.reaction
    )
    await connection.context.rpc.call(conversation.ADD_REACTION, request)


async def unreact(connection: Connection, asked: frames.Unreact) -> None:
    request = conversation.ReactTo(
        actor=connection.actor, room_id=asked.room_id, message_id=asked.message_id, reaction=asked.reaction
    )
    await connection.context.rpc.call(conversation.REMOVE_REACTION, request)


def read(connection: Connection, asked: frames.Read) -> None:
    _note_position(connection, asked, read_seq=asked.seq)


def delivered(connection: Connection, asked: frames.Delivered) -> None:
    _note_position(connection, asked, read_seq=0)


def _note_position(connection: Connection, asked: frames.Read | frames.Delivered, *, read_seq: int) -> None:
    identifier = asked.id
    if not 0 <= asked.seq <= MOST_SEQ:
        connection.answer(identifier, Refused(Code.INVALID, "seq is out of range."))
        return
    connection.context.memory.noted(
        connection.user_id,
        connection.session_id,
        asked.room_id,
        delivered=asked.seq,
        read=read_seq,
        device_id=connection.device_id,
    )
    connection.context.positions.note(
        connection.user_id,
        asked.room_id,
        delivered_seq=asked.seq,
        read_seq=read_seq,
        flushed=None if identifier is None else lambda refusal: connection.answer(identifier, refusal),
    )


async def join(connection: Connection, asked: frames.Join) -> None:
    request = contract.RoomRequest(actor=connection.actor, room_id=asked.room_id)
    await connection.context.rpc.call(contract.JOIN, request)


async def leave(connection: Connection, asked: frames.Leave) -> None:
    request = contract.RoomRequest(actor=connection.actor, room_id=asked.room_id)
    await connection.context.rpc.call(contract.LEAVE, request)


def typing(connection: Connection, asked: frames.Typing) -> None:
    """A hint for the others of the room; it may be dropped, also without a word."""
    if connection.follows(room_stream(asked.room_id)):
        connection.context.typing.note(connection, asked.room_id, asked.on)
        connection.answer(asked.id, None)
    else:
        connection.answer(asked.id, not_found("room"))


async def watch_presence(connection: Connection, asked: frames.WatchPresence) -> None:
    await connection.context.watches.watch(connection, asked.user_ids)


async def refresh(connection: Connection, asked: frames.Refresh) -> None:
    """A new access token of the same session, before the old one expires."""
    claims = await connection.context.verifier.verify(asked.token)
    connection.context.revocations.check(claims)
    if (claims.user_id, claims.session_id) != (connection.user_id, connection.actor.session_id):
        raise Refused(Code.BAD_TOKEN, "The token belongs to another session; open another socket for it.")
    connection.take_claims(claims)


HANDLERS: Final[Handlers] = {
    frames.Send: send,
    frames.Edit: in_turn(edit),
    frames.Delete: in_turn(delete),
    frames.React: in_turn(react),
    frames.Unreact: in_turn(unreact),
    frames.Read: read,
    frames.Delivered: delivered,
    frames.Join: in_turn(join),
    frames.Leave: in_turn(leave),
    frames.Typing: typing,
    frames.WatchPresence: in_turn(watch_presence),
    frames.Refresh: in_turn(refresh),
    frames.Auth: auth,
    frames.Ping: ping,
    frames.Pong: pong,
}
