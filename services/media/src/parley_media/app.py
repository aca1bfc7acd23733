"""The composition root: settings → engine, bucket, bus, use cases → the process."""

import asyncio
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from parley_media import handlers
from parley_media.clients import AuthClient, MessagesClient
from parley_media.decoders import Decoders
from parley_media.handlers import UseCases
from parley_media.jobs import SWEEP_LOOK_S, Jobs
from parley_media.keys import Keys
from parley_media.objects import Objects
from parley_media.settings import Settings
from parley_media.store import Transactions
from parley_media.usecases.bucket import Bucket
from parley_media.usecases.claims import ImageClaims
from parley_media.usecases.eraser import Eraser
from parley_media.usecases.erasure import Erasure
from parley_media.usecases.export import Export
from parley_media.usecases.uploads import Uploads
from parley_media.usecases.verifying import Verifying
from parley_media.usecases.viewing import Viewing
from parley_media.usecases.wrapping import Wrapping
from parley_shared import process
from parley_shared.contracts.media import READY
from parley_shared.crypto.wrapping import make_wrapper
from parley_shared.db.engine import database
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient
from parley_shared.service import repeat, running

SERVICE: Final = "media"


@dataclass(frozen=True, slots=True)
class Parts:
    """What one replica consists of."""

    use_cases: UseCases
    jobs: Jobs
    objects: Objects
    decoders: Decoders


def wire(settings: Settings, engine: AsyncEngine, rpc: RpcClient) -> Parts:
    """Put a replica together; opens nothing and starts nothing."""
    begin = Transactions(engine).begin
    objects = Objects(settings)
    decoders = Decoders(settings)
    keys = Keys(make_wrapper(settings.wrapping_key) if settings.wrapping_key else None)
    auth, messages = AuthClient(rpc), MessagesClient(rpc)
    eraser = Eraser(begin, objects)
    bucket = Bucket(begin, objects, auth)
    use_cases = UseCases(
        uploads=Uploads(begin, objects, keys, decoders, eraser, settings.uploads_per_hour),
        viewing=Viewing(begin, objects, keys, messages),
        claims=ImageClaims(begin),
        bucket=bucket,
        wrapping=Wrapping(begin, keys, auth),
        erasure=Erasure(begin, eraser),
        export=Export(begin),
        verifying=Verifying(begin),
    )
    # A lease's holder must be this process, not its successor of the same name.
    holder = f"{settings.instance} {new_id()}"
    return Parts(use_cases, Jobs(begin, objects, messages, eraser, bucket, settings, holder), objects, decoders)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running(SERVICE, settings) as service, database(SERVICE, settings, service.health) as engine:
        parts = wire(settings, engine, service.rpc)
        if parts.objects.configured:
            # Makes the bucket, where S3 is there already.
            await parts.objects.check()
            service.health.add("s3", parts.objects.check)
        await parts.decoders.start()
        service.health.add("decoders", parts.decoders.check)
        handlers.serve(service.server, parts.use_cases)
        jobs = [
            asyncio.create_task(repeat("collect", settings.collect_seconds, parts.jobs.collect)),
            asyncio.create_task(repeat("sweep", SWEEP_LOOK_S, parts.jobs.sweep)),
        ]
        try:
            await service.serve(READY)
            await stop.wait()
        finally:
            service.health.draining = True
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            # Requests at hand need the engine, which is closed before the bus is.
            await service.server.stop()
            await parts.decoders.stop()
            parts.objects.close()


def main() -> None:
    """`parley-media [migrate]`."""
    process.main(SERVICE, Settings, run)
