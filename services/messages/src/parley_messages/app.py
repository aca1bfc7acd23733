"""The composition root: settings → database, bus, use cases, jobs → the process."""

import asyncio
from typing import Final

from parley_messages import handlers
from parley_messages.backlog import READ_EVERY_S, BacklogJob
from parley_messages.clients import AuthClient, MediaClient
from parley_messages.domain.rates import FloodLimit
from parley_messages.epoch import Epoch
from parley_messages.fanout import FanoutJob
from parley_messages.images import ReleaseJob
from parley_messages.jobs import RELAY_PAUSE_S, HeadsJob, HousekeepingJob, RelayJob
from parley_messages.keys import RoomKeys
from parley_messages.publisher import LivePublisher
from parley_messages.retention import RetentionJob
from parley_messages.settings import Settings
from parley_messages.store import Database
from parley_messages.tail import TailCache
from parley_messages.usecases.audit import Audit
from parley_messages.usecases.budget import ChangeBudget
from parley_messages.usecases.conversation import Conversation
from parley_messages.usecases.erasure import Erasure
from parley_messages.usecases.export import Export
from parley_messages.usecases.grants import Grants
from parley_messages.usecases.images import Images
from parley_messages.usecases.indexing import Indexing
from parley_messages.usecases.journeys import Journeys
from parley_messages.usecases.keys import Keys
from parley_messages.usecases.members import Members
from parley_messages.usecases.moderation import Moderation
from parley_messages.usecases.notifications import Notifications
from parley_messages.usecases.positions import Positions
from parley_messages.usecases.reactions import Reactions
from parley_messages.usecases.receipts import Receipts
from parley_messages.usecases.reports import Reports
from parley_messages.usecases.rooms import Rooms
from parley_messages.usecases.send import SendUseCase
from parley_messages.usecases.sessions import Sessions
from parley_messages.usecases.threads import Threads
from parley_messages.usecases.timeline import Timeline
from parley_messages.usecases.verifying import Verifying
from parley_messages.usecases.visibility import Visibility
from parley_messages.writer import Writer
from parley_shared import process
from parley_shared.audit import Signer
from parley_shared.contracts.messages import READY
from parley_shared.crypto.wrapping import make_wrapper
from parley_shared.db.revisions import shortcoming
from parley_shared.ids import new_id
from parley_shared.service import repeat, running

SERVICE: Final = "messages"
HOUSEKEEPING_S = 600.0
FLOOD_PEOPLE = 10
FLOOD_BURST_S = 2


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop: no more requests, what is queued is committed, then the connections close."""
    url = settings.postgres_url.get_secret_value()
    name = f"parley-messages {settings.instance}"
    # A lease's holder must be this process, not its successor of the same name.
    holder = f"{settings.instance} {new_id()}"
    tail = TailCache()
    epoch = Epoch(changed=tail.clear)
    keys = RoomKeys(make_wrapper(settings.wrapping_key) if settings.wrapping_key else None)
    database = await Database.connect(
        url, application_name=name, size=settings.pool_size, on_connect=epoch.check, keys=keys
    )
    try:
        async with running(SERVICE, settings) as service:
            publisher = LivePublisher(service.bus, tail)
            relay = RelayJob(database, service.bus, epoch, holder, settings.event_replicas)
            fanout = FanoutJob(database, publisher, relay.wake)
            auth = AuthClient(service.rpc)
            media = MediaClient(service.rpc)
            release = ReleaseJob(database, media)
            room_keys = Keys(database, publisher, auth, relay.wake, keys, settings.backup_days)
            writer = Writer(
                url=url,
                application_name=f"{name} writer",
                replica=settings.instance,
                limits={
                    "user": settings.rate_limit_user,
                    "moderator": settings.rate_limit_moderator,
                    "admin": settings.rate_limit_admin,
                },
                flood=_flood(settings),
                publisher=publisher,
                on_connect=epoch.check,
                advanced=relay.wake,
                left_work=fanout.wake,
                keys=keys,
                unwrap=room_keys.bring,
            )
            await writer.start()
            receipts = Receipts(database, service.bus, auth)
            budget = ChangeBudget(settings.changes_per_minute)

            def changed() -> None:
                relay.wake()
                fanout.wake()
                release.wake()

            handlers.register(
                service.server,
                rooms=Rooms(database, publisher, auth, relay.wake, keys),
                members=Members(database, publisher, auth, relay.wake),
                send=SendUseCase(writer, auth, media),
                timeline=Timeline(database),
                conversation=Conversation(database, publisher, auth, budget, settings.edit_hours, changed),
                reactions=Reactions(database, publisher, budget, relay.wake),
                threads=Threads(database),
                notifications=Notifications(database, publisher, auth, relay.wake),
                positions=Positions(database, receipts),
                receipts=receipts,
                journeys=Journeys(database, receipts),
                sessions=Sessions(database, epoch, tail),
                erasure=Erasure(database, publisher, relay.wake),
                export=Export(database),
                audit=Audit(database, auth, Signer.given(settings.audit_key)),
                visibility=Visibility(database),
                moderation=Moderation(database, publisher, auth, relay.wake),
                reports=Reports(database, auth, budget),
                grants=Grants(database, publisher, auth, relay.wake),
                images=Images(database),
                indexing=Indexing(database, epoch),
                keys=room_keys,
                verifying=Verifying(database, auth, media),
            )
            service.health.add("database", lambda: _migrated(database))
            service.health.add("writer", lambda: _writing(writer))
            jobs = [
                asyncio.create_task(repeat(job_name, seconds, work), name=job_name)
                for job_name, seconds, work in (
                    (
                        "heads",
                        settings.heads_seconds / 10,
                        HeadsJob(database, service.bus, epoch, holder, settings.heads_seconds).run,
                    ),
                    ("backlog", READ_EVERY_S, BacklogJob(database).run),
                    ("relay", RELAY_PAUSE_S, relay.run),
                    ("fanout", 0.0, fanout.run),
                    ("release", 0.0, release.run),
                    ("retention", HOUSEKEEPING_S, RetentionJob(database, publisher, relay.wake, holder).run),
                    ("housekeeping", HOUSEKEEPING_S, HousekeepingJob(database, holder, settings.log_days).run),
                )
            ]
            await service.serve(READY)
            await stop.wait()
            service.health.draining = True
            await service.server.stop()
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await writer.stop()
    finally:
        await database.close()


async def _migrated(database: Database) -> str | None:
    async with database.connection() as connection:
        found = await connection.fetchval("SELECT version_num FROM messages.alembic_version")
    return shortcoming(SERVICE, found)


async def _writing(writer: Writer) -> str | None:
    return None if writer.ready() else "not connected to the database"


def _flood(settings: Settings) -> FloodLimit | None:
    """What one room takes; unless it is set, ten people who use up their minute in each second."""
    limit = settings.room_flood_per_second
    if limit == "auto":
        limit = None if settings.rate_limit_user is None else settings.rate_limit_user * FLOOD_PEOPLE
    return None if limit is None else FloodLimit(limit, limit * FLOOD_BURST_S)


def main() -> None:
    """`parley-messages`."""
    process.main(SERVICE, Settings, run)
