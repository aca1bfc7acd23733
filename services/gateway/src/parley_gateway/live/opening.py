"""From `hello` to `live`: who it is, what he missed, and the hubs that he follows from then on."""

import asyncio
import random
import time
from collections import Counter as Tally
from typing import Final

import structlog

from parley_gateway.live import commands, figures
from parley_gateway.live.connection import Connection, Handlers, Phase
from parley_gateway.live.framing import frame
from parley_gateway.live.resume import replay
from parley_shared.addresses import ip_prefix
from parley_shared.contracts import auth as auth_contract
from parley_shared.contracts import frames
from parley_shared.contracts import messages as contract
from parley_shared.contracts.frames import CloseCode
from parley_shared.contracts.presence import ConnectionOpened
from parley_shared.errors import Code, Refused
from parley_shared.ids import room_stream, user_stream

log = structlog.get_logger(__name__)

_LIVE = frame(frames.Live())


def auth(connection: Connection, asked: frames.Auth) -> None:
    if connection.phase is not Phase.GREETED:
        commands.auth(connection, asked)
    elif asked.protocol != frames.PROTOCOL:
        connection.close(CloseCode.UNKNOWN_PROTOCOL, f"this server speaks protocol {frames.PROTOCOL}")
    else:
        connection.begin_authenticating()
        connection.spawn(_authenticate(connection, asked))


HANDLERS: Final[Handlers] = {frames.Auth: auth, frames.Ping: commands.ping, frames.Pong: commands.pong}
"""What may be asked before `live`; from then on it is commands.HANDLERS."""


async def _authenticate(connection: Connection, asked: frames.Auth) -> None:
    context = connection.context
    try:
        claims = await context.verifier.verify(asked.token)
        state = context.revocations.standing(claims)
    except Refused as refusal:
        figures.openings.labels(str(refusal.code)).inc()
        connection.answer(asked.id, refusal)
        if refusal.code == Code.UNAVAILABLE:
            connection.close(1012, "try again later")
        elif refusal.code == Code.TOKEN_EXPIRED:
            connection.close(CloseCode.TOKEN_EXPIRED, "the access token has expired")
        else:
            connection.close(CloseCode.BAD_TOKEN, "the token is not good")
        return
    if state is not None:
        figures.openings.labels(str(Code.BAD_TOKEN)).inc()
        connection.answer(asked.id, Refused(Code.BAD_TOKEN, "The token has been revoked."))
        ended = state == CloseCode.SESSION_ENDED
        connection.close(state, "the session has ended" if ended else "a new token is needed")
        return
    connection.take_claims(claims)
    if not context.roster.admit(connection):
        figures.openings.labels(str(Code.TOO_MANY_CONNECTIONS)).inc()
        connection.close(CloseCode.TOO_MANY, "too many connections of this user")
        return
    if asked.resume is not None and (wait_ms := context.resumes.take()):
        figures.openings.labels("held_back").inc()
        # Full jitter spreads those who came together.
        after_ms = random.randint(1, wait_ms)  # noqa: S311 — jitter, not a secret
        connection.ask_to_come_back(after_ms, "many clients are coming back at this moment")
        connection.close(CloseCode.DRAIN, "come back a little later")
        return
    began = time.perf_counter()
    try:
        if await _open(connection, asked):
            figures.openings.labels("live").inc()
            figures.opening_seconds.observe(time.perf_counter() - began)
    except Refused as refusal:
        figures.openings.labels(str(refusal.code)).inc()
        connection.answer(asked.id, refusal)
        if refusal.code == Code.UNAVAILABLE:
            connection.close(1012, "try again later")
        elif refusal.code == Code.INVALID:
            connection.close(CloseCode.BAD_FRAME, "the auth frame is not as it must be")
        else:
            connection.close(CloseCode.SESSION_ENDED, "the account is not available")


async def _open(connection: Connection, asked: frames.Auth) -> bool:
    """False if the socket has closed meanwhile. Raises Refused."""
    context, actor = connection.context, connection.actor
    resume = None
    if asked.resume is not None:
        resume = contract.ResumeFrom(epoch=asked.resume.epoch, at=asked.resume.at)
    me, opened = await asyncio.gather(
        context.rpc.call(auth_contract.ME, auth_contract.OnlyActor(actor=actor)),
        context.rpc.call(contract.OPEN_SESSION, contract.OpenSession(actor=actor, resume=resume)),
    )
    context.hubs.note_epoch(opened.epoch)
    recovered = await replay(context.rpc, actor, opened.streams)
    standing = {
        state.stream: frames.StreamStanding(status=recovered.status(state), head=state.head) for state in opened.streams
    }
    connection.write(
        frames.Ready(
            id=asked.id,
            session_id=actor.session_id,
            user=me,
            epoch=opened.epoch,
            rooms=opened.rooms,
            more_rooms=opened.more_rooms,
            streams=standing,
        )
    )
    for chunk in recovered.chunks:
        # Paced by the socket, and so not counted against the limit of a slow reader.
        await connection.writable()
        connection.write_framed(chunk)
    await connection.writable()
    if connection.phase is Phase.CLOSED:
        return False
    for state in opened.streams:
        if recovered.status(state) == "recovered":
            context.memory.handed(state.stream, state.after, state.head)
    connection.phase = Phase.OPEN
    connection.handlers = commands.HANDLERS
    connection.own_stream = user_stream(actor.user_id)
    connection.write_framed(_LIVE)
    outcome = "none"
    if resume is not None:
        outcome = recovered.outcome(opened.streams)
        figures.resumes.labels(outcome).inc()
        figures.replayed_events.inc(len(recovered.chunks))
        figures.replayed_bytes.inc(sum(map(len, recovered.chunks)))
    last = asked.last_close
    device_id, client = (asked.device_id or "")[:64], (asked.client or "")[:64]
    connection.device_id = device_id
    context.lease.opened(
        connection,
        ConnectionOpened(
            connection_id=connection.id,
            user_id=actor.user_id,
            session_id=actor.session_id,
            device_id=device_id,
            client=client,
            ip_prefix=ip_prefix(connection.ip),
            user_agent=connection.user_agent[:200],
            opened_at=connection.opened_at,
            resume=outcome,
            # Any integer fits into a frame, but not into a column.
            last_close_code=None if last is None else max(0, min(last.code, 65_535)),
            last_close_reason=None if last is None else last.reason[:123],
        ),
    )
    log.info(
        "connection.auth",
        connection_id=str(connection.id),
        user_id=str(actor.user_id),
        session_id=str(actor.session_id),
        device_id=device_id,
        client=client,
        last_close=None if last is None else last.code,
        last_close_reason=None if last is None else last.reason[:123],
    )
    log.info(
        "connection.resume",
        connection_id=str(connection.id),
        outcome=outcome,
        streams=dict(Tally(standing.status for standing in standing.values())),
        replayed_bytes=sum(map(len, recovered.chunks)),
    )
    own = next(state for state in opened.streams if state.stream == connection.own_stream)
    positions = [(connection.own_stream, own.head)]
    positions += [(room_stream(member.room_id), member.head) for member in opened.memberships]
    await connection.following.attach(positions)
    return True
