"""Every query of every panel, asked of the real Prometheus; needs the profile `observability` (run.py starts it)."""

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

import httpx2
import pytest

from parley_shared.contracts.base import SERVICES
from tests.conftest import GIVEN_URLS
from tests.protocol_client import Person, close_everything

PROMETHEUS = os.environ.get("PARLEY_TEST_PROMETHEUS", "")
DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy/observability/grafana/dashboards"
NEVER_EMPTY = "parley.json"
"""The page for all services. On the others there is much that happens rarely, and what has happened to nobody has no series."""
RARE = ("parley_connections_closed_total", "internal", "timeout|lost|nobody", '"500"')

pytestmark = pytest.mark.skipif(not PROMETHEUS, reason="no Prometheus is given")


def queries() -> list[tuple[str, str, str]]:
    """(page, panel, expression)."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [(path.name, panel["title"], target["expr"]) for target in panel["targets"]]
    return found


def asked(expression: str) -> list[dict[str, Any]]:
    answer = httpx2.get(f"{PROMETHEUS}/api/v1/query", params={"query": expression}, timeout=10)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"]["result"])


@pytest.fixture(scope="module")
async def scraped() -> None:
    """Somebody has sent something, and every service has been read often enough since that there are rates."""
    somebody = await Person(GIVEN_URLS[0], f"u{secrets.token_hex(6)}").register()
    room = await somebody.room()
    await somebody.call("POST", f"/rooms/{room}/messages", 201, json={"client_msg_id": "1", "body": "hello"})
    await close_everything()
    async with asyncio.timeout(120):
        while not asked("count_over_time(parley_sends_total[1m]) >= 2"):
            await asyncio.sleep(1)
        while {found["metric"]["service"] for found in asked('count_over_time(up{job="parley"}[5m]) >= 3')} != set(
            SERVICES
        ):
            await asyncio.sleep(1)


@pytest.mark.parametrize(("page", "panel", "expression"), queries())
def test_every_panel_can_be_asked_and_the_first_page_shows_something(
    scraped: None, page: str, panel: str, expression: str
) -> None:
    found = asked(expression)
    if page == NEVER_EMPTY and not any(name in expression for name in RARE):
        assert found, f"{panel} is empty"


def test_prometheus_takes_the_alerts_and_none_of_them_is_in_error(scraped: None) -> None:
    answer = httpx2.get(f"{PROMETHEUS}/api/v1/rules", timeout=10).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} >= {"ParleyServiceDown", "ParleySendsFail", "ParleyOutboxStuck"}
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


def test_every_service_answers(scraped: None) -> None:
    assert {result["metric"]["service"] for result in asked('up{job="parley"} == 1')} == set(SERVICES)
