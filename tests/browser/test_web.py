"""The web client in a browser, against the suite: its own tests, in Node. PARLEY_SHOTS names a folder for pictures of what they see."""

import os

import httpx2
import pytest

from tests.conftest import Suite
from tests.node import ROOT, vitest

WEB = ROOT / "web"
WITHIN_S = 1500.0
PASSED_ON = ("PARLEY_CHROMIUM", "PARLEY_SHOTS", "CI", "HOME")


@pytest.mark.timeout(WITHIN_S + 100)
async def test_people_can_do_in_a_browser_what_the_suite_can(suite: Suite, control: str) -> None:
    """Nothing in the console, no request to another host, nothing against the policy, nothing serious for axe."""
    assert "<script" in httpx2.get(suite.urls[0]).text, "gateways serve no client; make web builds it"
    environment = {
        "PARLEY_URLS": ",".join(suite.urls),
        "PARLEY_CONTROL": control,
        "PARLEY_OPERATOR_KEY": (suite.home / "secrets" / "operator-key").read_text().strip(),
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }
    await vitest("vitest.browser.config.ts", cwd=WEB, within_s=WITHIN_S, **environment)
