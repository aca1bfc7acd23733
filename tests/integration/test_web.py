"""The web client's build, as gateways serve it."""

import httpx2

from tests.conftest import Suite


def test_the_gateway_serves_the_build_and_nothing_besides(suite: Suite) -> None:
    page = httpx2.get(f"{suite.urls[0]}/rooms/anything")
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-cache")
    assert "require-trusted-types-for 'script'" in page.headers["Content-Security-Policy"]
    # All that the page begins with; what names it is too small to be compressed.
    script = page.text.partition('<link rel="modulepreload" crossorigin href="')[2].partition('"')[0]
    assert script.startswith("/assets/first-")
    file = httpx2.get(suite.urls[0] + script, headers={"Accept-Encoding": "gzip"})
    assert (file.status_code, file.headers["Content-Encoding"]) == (200, "gzip")
    assert "immutable" in file.headers["Cache-Control"]
    again = httpx2.get(
        suite.urls[0] + script, headers={"Accept-Encoding": "gzip", "If-None-Match": file.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert httpx2.head(suite.urls[0] + script).content == b""
    for path in ("/assets/main-0000.js", "/index.html", "/.vite/manifest.json", "/%2e%2e/package.json"):
        assert httpx2.get(suite.urls[0] + path).status_code == 404, path
