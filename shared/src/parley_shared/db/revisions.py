"""The revisions of a schema, as far as a service has to know them that does not migrate it."""

from functools import cache
from importlib.resources import files


def head_revision(service: str) -> str:
    """The newest revision that this code knows."""
    return _revisions(service)[0]


def shortcoming(service: str, found: str | None) -> str | None:
    """What is wrong with a schema at the revision `found` for this code; None if it can work.

    A revision that this code does not know is a newer release's. Migrations expand first and contract two releases later, so what
    the next release needs still serves this one, and its replicas go on while they are replaced.
    """
    wanted, older = _revisions(service)
    return f"the schema is at {found}, this code needs {wanted}" if found is None or found in older else None


@cache
def _revisions(service: str) -> tuple[str, frozenset[str]]:
    """The newest one and those before it: `0001` of `0001_streams.py` and so on, one after the other.

    By the files' names, since only a migration needs Alembic: to import it is a quarter of a process's start.
    """
    versions = files(f"parley_{service}") / "migrations" / "versions"
    *older, newest = sorted(file.name.partition("_")[0] for file in versions.iterdir() if file.name.endswith(".py"))
    return newest, frozenset(older)
