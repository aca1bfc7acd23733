"""Every process tells what the code measures, and no label grows with what people do."""

import re
import secrets
from collections import Counter

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from code_metrics import metrics
from parley_shared.contracts.base import SERVICES
from tests.conftest import Suite
from tests.integration.conftest import NewPerson

IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}|(\d{1,3}\.){3}\d{1,3}|[0-9a-f]{16,}")
MOST_LABELLED = 1_000
"""Of one metric of a service; how many buckets each has, and how many replicas there are, is not what grows."""


def scraped(suite: Suite, service: str) -> dict[str, list[dict[str, str]]]:
    """Labels of every series of every replica of a service, by the family's name."""
    found: dict[str, list[dict[str, str]]] = {}
    for replica in suite.run_json()[service]:
        text = httpx2.get(f"http://127.0.0.1:{replica['internal']}/metrics", timeout=10).text
        for family in text_string_to_metric_families(text):
            found.setdefault(family.name, []).extend(sample.labels for sample in family.samples)
    return found


async def test_every_metric_of_the_code_is_told_by_its_processes_and_labels_are_bounded(
    suite: Suite, person: NewPerson
) -> None:
    suite.run_json()
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    sender, receiver = await alice.open(), await bob.open()
    for _ in range(20):
        ack = await sender.say(room, f"hello @{bob.username}")
    await receiver.until_seq(f"room:{room}", ack["seq"])
    await receiver.command("read", room_id=room, seq=ack["seq"])
    await alice.http.get(f"/rooms/{secrets.token_hex(16)}/nothing")
    await alice.http.request(f"X{secrets.token_hex(4)}", "/rooms")
    await alice.call("GET", f"/rooms/{room}/messages")
    by_service = {service: scraped(suite, service) for service in SERVICES}
    for metric in metrics():
        name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        # What is shared, those have who use it.
        assert any(name in by_service[service] for service in SERVICES if metric.process in ("all", service)), name
    for told in by_service.values():
        for name, series in told.items():
            if not name.startswith("parley_"):
                continue
            labelled = {tuple(item for item in labels.items() if item[0] != "le") for labels in series}
            assert len(labelled) < MOST_LABELLED, name
            for values in map(dict, labelled):
                assert not any(IDENTIFIER.search(value) for value in values.values()), (name, values)
                assert alice.username not in values.values()
    gateway = by_service["gateway"]
    assert Counter(labels["call"] for labels in gateway["parley_http_requests"])["OTHER -"] <= 4
    assert any(labels["call"] == "GET /rooms/{room_id}/messages" for labels in gateway["parley_http_requests"])


def test_prometheus_finds_every_process(suite: Suite) -> None:
    import json

    run = suite.run_json()
    targets = json.loads(suite.kept("prometheus.json").read_text())
    wanted = {(service, f"127.0.0.1:{entry['internal']}") for service in SERVICES for entry in run[service]}
    assert {(item["labels"]["service"], *item["targets"]) for item in targets} == wanted
    assert {item["labels"]["job"] for item in targets} == {"parley"}
