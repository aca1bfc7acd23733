"""Roles and schemas: what an administrator does once, before any migration.

Each service gets a schema, a role that owns it (`parley_<service>_owner`, for migrations) and a role that works in it
(`parley_<service>`, no DDL). No role of one service can read another's schema.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import asyncpg

from parley_shared.contracts.base import Service
from parley_shared.settings import SECOND

OWNERS: tuple[Service, ...] = ("auth", "messages", "presence", "media", "search")
"""The services that own a schema; the gateway owns nothing durable."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of a service's two roles. second: the worker signs in as its other role, which may do the same, so that either can be given
    another password while the other is in use."""

    owner: str
    worker: str
    second: bool = False


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


async def bootstrap(admin_url: str, passwords: dict[str, Passwords]) -> None:
    """Create or correct roles, schemas and grants; may be run again at any time. `admin_url`: a role that may create roles."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(7250001)")
            database = await connection.fetchval("SELECT quote_ident(current_database())")
            await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for service, secret in passwords.items():
                await _service(connection, str(database), service, secret)
    finally:
        await connection.close()


async def _service(connection: asyncpg.Connection, database: str, service: str, secret: Passwords) -> None:
    worker, owner = f"parley_{service}", f"parley_{service}_owner"
    # The password of the worker's role that is not in use stays what it is: pods of before sign in with it.
    roles = [(worker, None if secret.second else secret.worker), (owner, secret.owner)]
    if secret.second:
        roles.append((worker + SECOND, secret.worker))
    for role, password in roles:
        exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        verb = "ALTER" if exists else "CREATE"
        signs_in = "" if password is None else f" PASSWORD {_literal(password)}"
        await connection.execute(f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE{signs_in}")
        await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}")
    if secret.second:
        await connection.execute(f"GRANT {worker} TO {worker}{SECOND}")
    # Where the administrator is no superuser, owning a schema for somebody takes membership in that role.
    await connection.execute(f"GRANT {owner} TO CURRENT_USER")
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {owner}")
    await connection.execute(f"REVOKE ALL ON SCHEMA {service} FROM PUBLIC")
    await connection.execute(f"GRANT USAGE ON SCHEMA {service} TO {worker}")
    for kind, rights in (
        ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
        ("SEQUENCES", "USAGE, SELECT"),
        ("FUNCTIONS", "EXECUTE"),
    ):
        await connection.execute(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {service} GRANT {rights} ON {kind} TO {worker}"
        )
    # A function that only its owner may define is no secret, but nobody outside the service has a use for it either.
    await connection.execute(f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")


ADMIN_URL = "PARLEY_ADMIN_URL"


def given(environment: Mapping[str, str]) -> dict[str, Passwords]:
    """The roles' passwords, out of the same addresses by which services and migrations sign in. Raises ValueError."""
    found: dict[str, Passwords] = {}
    for service in OWNERS:
        worker = f"parley_{service}"
        _, owner_password = _signing_in(environment, service, "MIGRATE_URL", f"{worker}_owner")
        role, password = _signing_in(environment, service, "POSTGRES_URL", worker, worker + SECOND)
        found[service] = Passwords(owner_password, password, second=role != worker)
    return found


def _signing_in(environment: Mapping[str, str], service: Service, setting: str, *roles: str) -> tuple[str, str]:
    """(role, password) of an address. Raises ValueError."""
    name = f"PARLEY_{service.upper()}_{setting}"
    parts = urlsplit(environment.get(name, ""))
    if parts.username not in roles or not parts.password:
        raise ValueError(f"{name}: it must sign in as {' or '.join(roles)}, with a password")
    return str(parts.username), unquote(parts.password)


def main() -> None:
    """`parley-bootstrap`: from the environment, PARLEY_ADMIN_URL and each service's two addresses."""
    try:
        passwords = given(os.environ)
        admin_url = os.environ[ADMIN_URL]
    except (ValueError, KeyError) as error:
        sys.stderr.write(f"{ADMIN_URL}: it is missing\n" if isinstance(error, KeyError) else f"{error}\n")
        raise SystemExit(78) from None
    try:
        asyncio.run(bootstrap(admin_url, passwords))
    except (OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(69) from None
    sys.stdout.write(f"roles and schemas of {', '.join(passwords)} are there\n")
