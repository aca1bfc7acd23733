"""PostgreSQL, NATS and S3 of one installation: embedded, unless an address says where they are."""

import signal
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.to_thread

from parley_local.secrets import Secrets
from parley_local.supervisor import Kept, Program, Supervisor
from parley_shared import embedded
from parley_shared.db.bootstrap import bootstrap

SERVER_START_S = 60.0


@dataclass(slots=True)
class Servers:
    """Addresses, and the processes where they are ours (None: somebody else's). nats_users: whether ours has users."""

    postgres_url: str = ""
    nats_url: str = ""
    s3_url: str = ""
    s3_access_key: str = "parley"
    postgres: Kept | None = None
    nats: Kept | None = None
    s3: Kept | None = None
    nats_users: bool = True

    def database_url(self, user: str, password: str) -> str:
        """The same database, as another role."""
        parts = urlsplit(self.postgres_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


async def start_postgres(
    servers: Servers, supervisor: Supervisor, home: Path, secrets: Secrets, given: str | None
) -> None:
    """The database, with every service's roles and schema. Raises GaveUp, CalledProcessError."""
    if given is not None:
        servers.postgres_url = given
    else:
        data = home / "postgres"
        password = secrets.get("postgres-admin")
        await anyio.to_thread.run_sync(embedded.prepare_postgres, data, password)
        # Whoever was killed leaves the pid of a server that is no more; by now nothing of ours runs on this folder.
        port = embedded.free_port()
        admin = embedded.postgres_url(port, password, "postgres")
        servers.postgres = await supervisor.start(
            Program(
                name="postgres",
                command=embedded.postgres_command(data, port),
                log=home / "logs" / "postgres.log",
                ready=lambda: embedded.postgres_answers(admin),
                user=embedded.postgres_user(),
                stop_with=signal.SIGINT,
                port=port,
            ),
            within=SERVER_START_S,
        )
        await embedded.make_database(admin)
        servers.postgres_url = embedded.postgres_url(port, password)
    await bootstrap(servers.postgres_url, secrets.database())


async def start_nats(servers: Servers, supervisor: Supervisor, home: Path, secrets: Secrets, given: str | None) -> None:
    """NATS with JetStream, and a user for each service with its contracts' permissions."""
    if given is not None:
        servers.nats_url, servers.nats_users = given, False
        return
    port = embedded.free_port()
    config = home / "nats.conf"
    config.touch(mode=0o600)
    config.write_text(
        embedded.nats_config(
            port=port, monitor_port=embedded.free_port(), store=home / "jetstream", passwords=secrets.nats()
        )
    )

    async def ready() -> bool:
        return embedded.port_is_taken("127.0.0.1", port)

    servers.nats = await supervisor.start(
        Program(
            name="nats", command=embedded.nats_command(config), log=home / "logs" / "nats.log", ready=ready, port=port
        ),
        within=SERVER_START_S,
    )
    servers.nats_url = f"nats://127.0.0.1:{port}"


async def start_s3(servers: Servers, supervisor: Supervisor, home: Path, secrets: Secrets, given: str | None) -> None:
    """An S3 server for images."""
    if given is not None:
        servers.s3_url = given
        return
    data = home / "s3"
    data.mkdir(exist_ok=True)
    port = embedded.free_port()
    config = home / "s3.json"
    config.touch(mode=0o600)
    config.write_text(embedded.s3_config(servers.s3_access_key, secrets.get("s3")))
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return True
        except urllib.error.HTTPError:
            return True  # it refuses who is not signed in, and so it is there
        except OSError:
            return False

    async def ready() -> bool:
        return await anyio.to_thread.run_sync(answers)

    servers.s3 = await supervisor.start(
        Program(
            name="s3",
            command=embedded.s3_command(
                data, config, port, [embedded.free_port() for _ in range(embedded.S3_INNER_PORTS)]
            ),
            log=home / "logs" / "s3.log",
            ready=ready,
            port=port,
        ),
        within=SERVER_START_S,
    )
    servers.s3_url = url
