"""What is remembered of auth's answers."""

from typing import Any

from parley_messages import clients
from parley_messages.domain.mentions import Mentions
from parley_shared.contracts.auth import NamedUsers
from parley_shared.ids import new_id

ANN = new_id()


class Auth:
    """Knows one name; `asked` is what it was asked. During an answer it does what `meanwhile` says."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.meanwhile: Any = lambda: None

    async def call(self, _verb: Any, request: Any) -> NamedUsers:
        self.asked.append(request.names)
        self.meanwhile()
        return NamedUsers(ids={"ann": ANN})


async def test_a_name_is_asked_once_and_the_longest_reading_that_somebody_has_counts() -> None:
    auth = Auth()
    client = clients.AuthClient(auth)  # type: ignore[arg-type]
    mentions = [Mentions(names=(("ann.", "ann"), ("nobody",))), Mentions()]
    for _ in range(2):
        assert await client.named(mentions) == [(ANN,), ()]
    assert auth.asked == [["ann", "ann.", "nobody"]]


async def test_names_may_be_forgotten_while_others_are_asked_for() -> None:
    auth = Auth()
    client = clients.AuthClient(auth)  # type: ignore[arg-type]
    await client.named([Mentions(names=(("ann",),))])
    auth.meanwhile = client._names.clear
    assert await client.named([Mentions(names=(("ann",), ("bob",)))]) == [(ANN,)]
