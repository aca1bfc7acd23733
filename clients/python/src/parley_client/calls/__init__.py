"""The HTTP API as methods, one module an area; Client has all of them."""

from parley_client.calls.accounts import Accounts
from parley_client.calls.admin import Admin
from parley_client.calls.audit import Audit
from parley_client.calls.conversation import Conversation
from parley_client.calls.images import Images
from parley_client.calls.keys import KeyOffice
from parley_client.calls.messages import Messages
from parley_client.calls.moderation import Moderation
from parley_client.calls.notifications import Notifications
from parley_client.calls.presence import Presences
from parley_client.calls.rooms import Rooms
from parley_client.calls.search import Searches

__all__ = ["Calls"]


class Calls(
    Accounts,
    Rooms,
    Messages,
    Conversation,
    Images,
    Searches,
    Moderation,
    Notifications,
    Presences,
    Admin,
    Audit,
    KeyOffice,
):
    """Everything that needs no socket."""
