"""The generated permissions, said by hand for the services whose map is small. That a server enforces them: tests/integration."""

import json
from pathlib import Path

from parley_shared import embedded
from parley_shared.contracts.base import SERVICES
from parley_shared.messaging.permissions import contracts, permissions


def test_who_asks_little_publishes_little() -> None:
    asked = {
        "media": [
            "parley.rpc.auth.v1.svc.confirm_token",
            "parley.rpc.messages.v1.svc.images_in_use",
            "parley.rpc.messages.v1.svc.may_see_image",
        ],
        "search": [
            "parley.rpc.auth.v1.svc.confirm_token",
            "parley.rpc.auth.v1.svc.resolve_names",
            "parley.rpc.messages.v1.svc.index_ranges",
            "parley.rpc.messages.v1.svc.index_rooms",
            "parley.rpc.messages.v1.svc.search_scope",
            "$JS.API.CONSUMER.INFO.PARLEY_MESSAGES.search",
            "$JS.API.CONSUMER.CREATE.PARLEY_MESSAGES.search",
            "$JS.API.CONSUMER.MSG.NEXT.PARLEY_MESSAGES.search",
            "$JS.ACK.PARLEY_MESSAGES.search.>",
        ],
    }
    for service, subjects in asked.items():
        assert permissions(service) == {  # type: ignore[arg-type]
            "publish": subjects,
            "subscribe": [f"_INBOX_{service}.>", "$SRV.>", f"parley.rpc.{service}.>"],
            "allow_responses": True,
        }


def test_only_the_gateway_speaks_for_users() -> None:
    for service in SERVICES:
        spoken = [subject for subject in permissions(service)["publish"] if ".user." in subject and ".rpc." in subject]
        assert bool(spoken) == (service == "gateway")


def test_nobody_hears_anothers_answers() -> None:
    for service in SERVICES:
        inboxes = [subject for subject in permissions(service)["subscribe"] if "INBOX" in subject]
        assert inboxes == [f"_INBOX_{service}.>"]


def test_nobody_may_publish_by_wildcard_but_facts_hints_and_acks_of_its_own() -> None:
    wild = {
        (service, subject)
        for service in SERVICES
        for subject in permissions(service)["publish"]
        if "*" in subject or ">" in subject
    }
    assert wild == {
        ("auth", "parley.live.account.>"),
        ("gateway", "parley.live.journey.>"),
        ("gateway", "parley.live.typing.>"),
        ("messages", "parley.live.room.>"),
        ("messages", "parley.live.user.>"),
        ("messages", "parley.evt.messages.>"),
        ("presence", "parley.live.presence.>"),
        ("search", "$JS.ACK.PARLEY_MESSAGES.search.>"),
    }


def test_every_verb_can_be_called_by_its_callers_and_by_nobody_else() -> None:
    for rpc in contracts():
        assert {service for service in SERVICES if rpc.subject in permissions(service)["publish"]} == rpc.callers


def test_the_servers_configuration_has_a_user_for_each_service(tmp_path: Path) -> None:
    passwords = {name: f"of-{name}" for name in (*SERVICES, embedded.OPERATOR)}
    config = json.loads(embedded.nats_config(port=1, monitor_port=2, store=tmp_path, passwords=passwords))
    users = {user["user"]: user for user in config["authorization"]["users"]}
    assert set(users) == set(passwords)
    assert all(user["password"] == f"of-{name}" for name, user in users.items())
    assert all(users[service]["permissions"] == permissions(service) for service in SERVICES)
    assert "permissions" not in users[embedded.OPERATOR]
    assert config["listen"].startswith("127.0.0.1:")
    assert config["http"].startswith("127.0.0.1:")
