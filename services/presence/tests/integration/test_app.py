from parley_presence.app import run
from parley_presence.settings import Settings
from parley_presence.tables import metadata
from parley_shared.contracts.erasure import ERASE_PRESENCE
from parley_shared.contracts.presence import READY
from parley_shared.testing.behaviour import (
    erases_whom_it_is_told_to,
    its_migrations_make_what_its_tables_say,
    its_role_is_confined_to_its_schema,
    starts_and_says_that_it_is_ready,
)
from parley_shared.testing.fixtures import Nats, Postgres


async def test_it_starts_and_says_that_it_is_ready(postgres: Postgres, nats: Nats) -> None:
    await starts_and_says_that_it_is_ready("presence", run, Settings, READY, postgres, nats)


async def test_its_role_can_neither_read_another_schema_nor_change_its_own(postgres: Postgres) -> None:
    await its_role_is_confined_to_its_schema("presence", postgres)


async def test_the_migrations_make_what_the_tables_say(postgres: Postgres) -> None:
    await its_migrations_make_what_its_tables_say("presence", metadata, postgres)


async def test_it_erases_whom_it_is_told_to(postgres: Postgres, nats: Nats) -> None:
    await erases_whom_it_is_told_to("presence", run, Settings, ERASE_PRESENCE, postgres, nats)
