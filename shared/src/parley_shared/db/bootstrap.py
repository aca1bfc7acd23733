"""Roles and schemas: what an administrator does once, before any migration.

Each service gets a schema, a role that owns it (`parley_<service>_owner`, for migrations) and a role that works in it
(`parley_<service>`, no DDL). No role of one service can read another's schema.
"""

from dataclasses import dataclass

import asyncpg

from parley_shared.contracts.base import Service

OWNERS: tuple[Service, ...] = ("auth", "messages", "presence", "media", "search")
"""The services that own a schema; the gateway owns nothing durable."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of a service's two roles."""

    owner: str
    worker: str


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
    for role, password in ((worker, secret.worker), (owner, secret.owner)):
        exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        verb = "ALTER" if exists else "CREATE"
        await connection.execute(
            f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {_literal(password)}"
        )
        await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}")
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
