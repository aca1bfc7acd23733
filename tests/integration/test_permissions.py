"""Who may say and hear what on NATS, and read and write what in PostgreSQL: every pair tried on the running suite.

What is expected is written here or follows from the contracts' callers, never from the generator that is on trial.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from parley_shared.contracts.base import SERVICES
from parley_shared.db.bootstrap import OWNERS
from parley_shared.messaging.permissions import contracts
from parley_shared.settings import SECOND
from tests.conftest import Suite

ALL = frozenset(SERVICES)
NOBODY: frozenset[str] = frozenset()
INBOXES = [f"_INBOX_{service}" for service in SERVICES]
KINDS = ("room", "user", "account", "presence", "typing")


def publishers() -> dict[str, frozenset[str]]:
    """Subject → who may publish there."""
    expected: dict[str, frozenset[str]] = {rpc.subject: frozenset(rpc.callers) for rpc in contracts()}
    expected |= {
        "parley.live.room.0.nobody.hears": frozenset({"messages"}),
        "parley.live.user.0.nobody.hears": frozenset({"messages"}),
        "parley.live.account.0.nobody.hears": frozenset({"auth"}),
        "parley.live.presence.0.nobody.hears": frozenset({"presence"}),
        "parley.live.typing.0.nobody.hears": frozenset({"gateway"}),
        "parley.evt.messages.nobody.hears": frozenset({"messages"}),
        "$JS.API.INFO": frozenset({"messages"}),
        "$JS.API.STREAM.INFO.PARLEY_MESSAGES": frozenset({"messages"}),
        "$JS.API.CONSUMER.INFO.PARLEY_MESSAGES.search": frozenset({"search"}),
        "$JS.API.CONSUMER.CREATE.PARLEY_MESSAGES.search": frozenset({"search"}),
        "$JS.API.CONSUMER.MSG.NEXT.PARLEY_MESSAGES.search": frozenset({"search"}),
        "$JS.ACK.PARLEY_MESSAGES.search.1.1.1.1.0": frozenset({"search"}),
    }
    expected |= {"$SRV.PING": frozenset({"gateway"})}
    forbidden = [
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.CREATE.ANOTHER",
        "$JS.API.STREAM.DELETE.PARLEY_MESSAGES",
        "$JS.API.STREAM.PURGE.PARLEY_MESSAGES",
        "$JS.API.STREAM.MSG.GET.PARLEY_MESSAGES",
        "$JS.API.STREAM.MSG.DELETE.PARLEY_MESSAGES",
        "$JS.API.STREAM.SNAPSHOT.PARLEY_MESSAGES",
        "$JS.API.DIRECT.GET.PARLEY_MESSAGES",
        "$JS.API.CONSUMER.CREATE.PARLEY_MESSAGES",
        "$JS.API.CONSUMER.CREATE.PARLEY_MESSAGES.spy",
        "$JS.API.CONSUMER.DURABLE.CREATE.PARLEY_MESSAGES.spy",
        "$JS.API.CONSUMER.DELETE.PARLEY_MESSAGES.search",
        "$JS.API.CONSUMER.INFO.PARLEY_MESSAGES.spy",
        "$JS.API.CONSUMER.MSG.NEXT.PARLEY_MESSAGES.spy",
        "$JS.ACK.PARLEY_MESSAGES.spy.1.1.1.1.0",
        "$SRV.INFO.parley-auth",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "_INBOX.abc.1",
        *[f"{inbox}.abc.1" for inbox in INBOXES],
        *[f"parley.rpc.{service}.v1.user.not_a_verb" for service in SERVICES],
        *[f"parley.rpc.{service}.v2.svc.ready" for service in SERVICES],
        *[f"parley.evt.{service}.v1.fact.0" for service in SERVICES if service != "messages"],
        "parley.live.weather.0.somebody",
        "parley.rpc",
        "anything",
    ]
    return expected | dict.fromkeys(forbidden, NOBODY)


def subscribers() -> dict[str, frozenset[str]]:
    """Subject, perhaps with wildcards → who may subscribe."""
    expected: dict[str, frozenset[str]] = {rpc.subject: frozenset({rpc.owner}) for rpc in contracts()}
    expected |= {f"parley.rpc.{service}.>": frozenset({service}) for service in OWNERS}
    expected |= {f"_INBOX_{service}.>": frozenset({service}) for service in SERVICES}
    expected |= {f"_INBOX_{service}.abc.*": frozenset({service}) for service in SERVICES}
    expected |= {f"parley.live.{kind}.0.*": frozenset({"gateway"}) for kind in KINDS}
    expected |= {f"parley.live.{kind}.>": frozenset({"gateway"}) for kind in KINDS}
    expected |= {"$SRV.PING": ALL, "$SRV.INFO.>": ALL}
    forbidden = [
        ">", "*", "*.>", "parley.>", "parley.*.>", "parley.rpc.>", "parley.rpc.*.v1.>", "parley.rpc.*.v1.user.login",
        "*.rpc.auth.>", "parley.live.>", "parley.live.*.0.*", "parley.evt.>", "parley.evt.messages.>", "_INBOX.>", "_INBOX.*.*",
        "*.abc.*", "$JS.>", "$JS.API.>", "$JS.EVENT.>", "$SYS.>", "$SYS.ACCOUNT.>", "$KV.>", "$O.>", "anything",
    ]  # fmt: skip
    return expected | dict.fromkeys(forbidden, NOBODY)


class Nats:
    """The protocol by hand: what the server refuses is read as it says it, between PING and PONG."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def said(self, *lines: str) -> list[str]:
        """Send, and gather the server's errors about it."""
        self._writer.write("".join(f"{line}\r\n" for line in (*lines, "PING")).encode())
        errors = []
        async with asyncio.timeout(10):
            while (line := (await self._reader.readline()).decode().strip()) != "PONG":
                if line.startswith("-ERR"):
                    errors.append(line)
                    if "Authorization" in line:
                        break
        return errors

    async def refused(self, *lines: str) -> set[str]:
        """The subjects that it may not use in this way."""
        violation = re.compile(r"""^-ERR 'Permissions Violation for (?:Publish|Subscription) to "([^"]+)".*'$""")
        errors = await self.said(*lines)
        matches = [violation.match(error) for error in errors]
        assert all(matches), errors
        return {match[1] for match in matches if match}


@asynccontextmanager
async def connected(suite: Suite, user: str, password: str | None = None) -> AsyncIterator[Nats]:
    parts = urlsplit(suite.run_json()["urls"]["nats"])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        await reader.readline()  # INFO
        secret = password if password is not None else secret_of(suite, f"nats-{user}")
        login = {"verbose": False, "pedantic": False, "user": user, "pass": secret, "headers": True}
        writer.write(f"CONNECT {json.dumps(login)}\r\n".encode())
        yield Nats(reader, writer)
    finally:
        writer.close()


def secret_of(suite: Suite, name: str) -> str:
    return (suite.kept("secrets") / name).read_text().strip()


# -- NATS


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_publishes_where_the_contracts_let_it_and_nowhere_else(suite: Suite, service: str) -> None:
    expected = publishers()
    async with connected(suite, service) as nats:
        # A request that no contract fits, with a place for the answer: it changes nothing wherever it is let through.
        refused = await nats.refused(*(f"PUB {subject} _INBOX_{service}.probe 1\r\n!" for subject in expected))
    assert set(expected) - refused == {subject for subject, users in expected.items() if service in users}


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_hears_what_the_contracts_let_it_and_nothing_else(suite: Suite, service: str) -> None:
    expected = subscribers()
    async with connected(suite, service) as nats:
        lines = [f"SUB {subject} {number}" for number, subject in enumerate(expected)]
        refused = await nats.refused(*lines)
        assert set(expected) - refused == {subject for subject, users in expected.items() if service in users}
        # In somebody's queue group one would not only hear requests but take them away.
        stolen = [
            f"SUB {rpc.subject} {rpc.owner} {number}"
            for number, rpc in enumerate(contracts(), 1000)
            if rpc.owner != service
        ]
        assert len(await nats.refused(*stolen)) == len(stolen)


@pytest.mark.parametrize(
    ("user", "subject", "allowed"),
    [
        ("gateway", "parley.rpc.auth.v1.user.login", True),
        ("gateway", "parley.rpc.messages.v1.user.send_many", True),
        ("gateway", "parley.rpc.auth.v1.svc.known_users", False),
        ("gateway", "parley.live.room.7.x", False),
        ("gateway", "parley.live.account.7.x", False),
        ("messages", "parley.rpc.auth.v1.svc.known_users", True),
        ("messages", "parley.rpc.auth.v1.user.login", False),
        ("messages", "parley.rpc.auth.v1.user.admin_update_user", False),
        ("messages", "parley.live.account.7.x", False),
        ("auth", "parley.rpc.messages.v1.user.page", False),
        ("auth", "parley.live.account.7.x.y", True),
        ("search", "parley.rpc.messages.v1.user.page", False),
        ("media", "parley.rpc.messages.v1.user.send_many", False),
        ("presence", "parley.live.room.7.x", False),
        ("presence", "parley.live.presence.7.x", True),
        ("presence", "parley.live.typing.7.x", False),
        ("presence", "parley.rpc.messages.v1.svc.may_see", True),
        ("gateway", "parley.rpc.messages.v1.svc.may_see", False),
        ("gateway", "parley.live.presence.7.x", False),
        ("gateway", "parley.live.typing.7.x", True),
        ("presence", "_INBOX_gateway.abc.1", False),
    ],
)
async def test_what_everybody_knows_by_heart(suite: Suite, user: str, subject: str, allowed: bool) -> None:
    """Said by hand, so that contracts and test cannot be wrong together."""
    async with connected(suite, user) as nats:
        assert await nats.refused(f"PUB {subject} _INBOX_{user}.probe 1\r\n!") == (set() if allowed else {subject})


@pytest.mark.parametrize(
    ("user", "password"), [("gateway", "not its password"), ("somebody", "anything"), ("", ""), ("operator", "")]
)
async def test_nobody_comes_in_without_the_password(suite: Suite, user: str, password: str) -> None:
    async with connected(suite, user, password) as nats:
        assert await nats.said() == ["-ERR 'Authorization Violation'"]


async def test_the_server_runs_with_no_other_users(suite: Suite) -> None:
    users = json.loads(suite.kept("nats.conf").read_text())["authorization"]["users"]
    assert {user["user"] for user in users} == {*SERVICES, *(service + SECOND for service in SERVICES), "operator"}
    assert all("permissions" in user for user in users if user["user"] != "operator")
    assert len({user["password"] for user in users}) == len(users)


# -- PostgreSQL

ROLES = [f"parley_{service}{kind}" for service in OWNERS for kind in ("", "_owner")]


def role_url(suite: Suite, role: str) -> str:
    """The suite's database, as that role."""
    secret = secret_of(suite, f"postgres-{role.removeprefix('parley_').replace('_owner', '-owner')}")
    parts = urlsplit(suite.run_json()["urls"]["postgres"])
    return urlunsplit(parts._replace(netloc=f"{role}:{secret}@{parts.hostname}:{parts.port}"))


@asynccontextmanager
async def database(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(suite: Suite) -> dict[str, list[str]]:
    """Schema → its tables, partitions included, as PostgreSQL's own superuser sees them."""
    async with database(suite.run_json()["urls"]["postgres"]) as connection:
        rows = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2", list(OWNERS)
        )
    found: dict[str, list[str]] = {service: [] for service in OWNERS}
    for row in rows:
        found[row["schemaname"]].append(row["tablename"])
    return found


async def is_refused(connection: asyncpg.Connection, statement: str) -> bool:
    """Whether PostgreSQL says that the role may not; whatever it lets through is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    except asyncpg.PostgresError:
        return False
    finally:
        await transaction.rollback()
    return False


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_reaches_no_other_schema(suite: Suite, role: str) -> None:
    own = role.removeprefix("parley_").removesuffix("_owner")
    everything = await tables(suite)
    assert {"rooms", "messages", "events"} <= set(everything["messages"])
    assert "users" in everything["auth"]
    reached = []
    async with database(role_url(suite, role)) as connection:
        for schema in [*(other for other in OWNERS if other != own), "public"]:
            assert not await connection.fetchval("SELECT has_schema_privilege($1, 'USAGE, CREATE')", schema), schema
            statements = [f"CREATE TABLE {schema}.mine ()", f"DROP SCHEMA {schema} CASCADE"]
            for table in everything.get(schema, []):
                statements += [
                    f"SELECT FROM {schema}.{table} LIMIT 1",
                    f"INSERT INTO {schema}.{table} DEFAULT VALUES",
                    f"UPDATE {schema}.{table} SET tableoid = tableoid",
                    f"DELETE FROM {schema}.{table}",
                ]
            reached += [statement for statement in statements if not await is_refused(connection, statement)]
        for other in ROLES:
            if other.removesuffix("_owner") != f"parley_{own}" and not await is_refused(
                connection, f"SET ROLE {other}"
            ):
                reached.append(other)
    assert not reached


@pytest.mark.parametrize("service", OWNERS)
async def test_the_working_role_works_in_its_own_schema_and_changes_nothing_about_it(
    suite: Suite, service: str
) -> None:
    async with database(role_url(suite, f"parley_{service}")) as connection:
        for table in (await tables(suite))[service]:
            assert not await is_refused(connection, f"SELECT FROM {service}.{table} LIMIT 1"), table
            assert await is_refused(connection, f"DROP TABLE {service}.{table}"), table
            assert await is_refused(connection, f"ALTER TABLE {service}.{table} ADD COLUMN mine text"), table
        for statement in (
            f"CREATE TABLE {service}.mine ()",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            f"SET ROLE parley_{service}_owner",
            f"COPY {service}.alembic_version TO PROGRAM 'true'",
            "SELECT pg_read_file('/etc/hostname')",
        ):
            assert await is_refused(connection, statement), statement
