"""The composition root: settings → engine, bus, use cases → the process."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from parley_auth import handlers
from parley_auth.clients import Stores
from parley_auth.domain.keys import Sealer
from parley_auth.handlers import UseCases
from parley_auth.hashing import Passwords as Hasher
from parley_auth.jobs import CLEAN_EVERY_S, ERASE_EVERY_S, MEASURE_EVERY_S, Jobs
from parley_auth.keyring import Keyring
from parley_auth.publisher import Publisher
from parley_auth.settings import Settings, secret_text
from parley_auth.store import Transactions
from parley_auth.usecases.admin import Admin
from parley_auth.usecases.audit import Audit
from parley_auth.usecases.directory import Directory
from parley_auth.usecases.door import Door
from parley_auth.usecases.erasure import Erasures
from parley_auth.usecases.export import Export
from parley_auth.usecases.issuer import Issuer
from parley_auth.usecases.office import Office
from parley_auth.usecases.passwords import Passwords
from parley_auth.usecases.registration import Registration
from parley_auth.usecases.sessions import Sessions
from parley_auth.usecases.trust import Trust
from parley_shared import process
from parley_shared.audit import Signer
from parley_shared.contracts import auth as contract
from parley_shared.db.engine import database
from parley_shared.messaging.connection import Bus
from parley_shared.service import repeat, running


@dataclass(frozen=True, slots=True)
class Parts:
    """What one replica consists of."""

    keyring: Keyring
    hasher: Hasher
    jobs: Jobs
    use_cases: UseCases


def wire(settings: Settings, engine: AsyncEngine, bus: Bus) -> Parts:
    """Put a replica together; opens nothing and starts nothing."""
    begin = Transactions(engine, timedelta(seconds=settings.clock_shift_s)).begin
    lifetime = settings.access_lifetime
    keyring = Keyring(
        begin, Sealer(secret_text(settings.key_secret)), lifetime=lifetime, rotation=settings.key_rotation
    )
    hasher = Hasher(memory_kib=settings.hash_memory_kib, threads=settings.hash_threads)
    door = Door(begin, settings)
    issuer = Issuer(keyring, settings)
    publisher = Publisher(bus)
    office = Office(begin, keyring)
    return Parts(
        keyring,
        hasher,
        Jobs(begin, keyring, settings),
        UseCases(
            registration=Registration(begin, door, hasher, settings),
            sessions=Sessions(begin, door, hasher, issuer, publisher, settings),
            passwords=Passwords(begin, door, hasher, publisher),
            directory=Directory(begin),
            admin=Admin(begin, office, publisher, settings),
            office=office,
            export=Export(begin),
            erasures=Erasures(begin, door, hasher, publisher, office, timedelta(seconds=settings.erasure_settle_s)),
            audit=Audit(begin, office, Signer.given(settings.audit_key)),
            trust=Trust(begin, keyring, memory=2 * lifetime),
        ),
    )


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running("auth", settings) as service, database("auth", settings, service.health) as engine:
        parts = wire(settings, engine, service.bus)
        service.health.add("signing key", parts.keyring.check)
        handlers.serve(service.server, parts.use_cases)
        stores = Stores(service.rpc)
        jobs = [
            asyncio.create_task(repeat("rotate_keys", parts.jobs.rotate_every_s, parts.jobs.rotate_keys)),
            asyncio.create_task(repeat("clean", CLEAN_EVERY_S, parts.jobs.clean)),
            asyncio.create_task(repeat("measure", MEASURE_EVERY_S, parts.jobs.measure)),
            asyncio.create_task(repeat("erase", ERASE_EVERY_S, lambda: parts.use_cases.erasures.work(stores))),
        ]
        try:
            await service.serve(contract.READY)
            await stop.wait()
        finally:
            service.health.draining = True
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            # Requests at hand need the engine, which is closed before the bus is.
            await service.server.stop()


def main() -> None:
    """`parley-auth [migrate]`."""
    process.main("auth", Settings, run)
