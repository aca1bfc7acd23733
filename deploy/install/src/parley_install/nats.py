"""NATS's users, as its server's configuration spells them: two a service, with exactly its contracts' permissions.

The file holds no secret. A password is the value of an environment variable that has the name of the setting by which the
service learns it, so that there is one place for each.
"""

import json

from parley_shared.contracts.base import SERVICES
from parley_shared.embedded import OPERATOR
from parley_shared.messaging.permissions import permissions
from parley_shared.settings import SECOND

OPERATOR_PASSWORD = "NATS_OPERATOR_PASSWORD"  # noqa: S105 — a name
_HEAD = """\
# Written by `make docs` from the contracts in shared/: who may publish and subscribe to what. Not to be edited.
# Passwords come from the environment; a word that begins with a digit would be read as a number.
"""


def password_of(service: str, end: str = "") -> str:
    """The variable that holds a service's password. end: of the user's name, for the second one."""
    return f"PARLEY_{service.upper()}_NATS_PASSWORD{end}"


def user_of(service: str) -> str:
    """The variable that says which of its two users a service is."""
    return f"PARLEY_{service.upper()}_NATS_USER"


def users() -> str:
    """The `authorization` block."""
    entries = [
        f"    {{user: {service}{end}, password: ${password_of(service, end)}, permissions: {_indented(permissions(service))}}}"
        for service in SERVICES
        # Two with the same rights, so that one can be given another password while the other is in use.
        for end in ("", SECOND)
    ]
    # For operators' tools; it may do everything.
    entries.append(f"    {{user: {OPERATOR}, password: ${OPERATOR_PASSWORD}}}")
    return f"{_HEAD}authorization {{\n  users = [\n" + "\n".join(entries) + "\n  ]\n}\n"


def _indented(value: object) -> str:
    return json.dumps(value, indent=2).replace("\n", "\n    ")
