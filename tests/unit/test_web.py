"""The web client and the gateway that serves it know the same addresses."""

import re
from pathlib import Path

from parley_gateway.web import AREAS, POLICY

ROOT = Path(__file__).resolve().parents[2]
ROUTER = ROOT / "web" / "src" / "lib" / "router.svelte.ts"
PAGE = ROOT / "docs" / "web.md"


def test_the_gateway_serves_the_page_at_every_address_that_the_router_knows() -> None:
    router = ROUTER.read_text()
    parsed = router[router.index("export function parseRoute") : router.index("default:")]
    assert set(re.findall(r'case "([a-z]+)":', parsed)) == AREAS


def test_the_documentation_names_the_same_addresses_and_the_same_policy() -> None:
    text = PAGE.read_text()
    for area in AREAS:
        assert f"`/{area}`" in text, area
    assert POLICY in " ".join(text.split())
