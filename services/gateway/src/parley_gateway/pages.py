"""The gateway's own few pages: self-contained, under a policy that allows exactly what is in them."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files


@cache
def page(name: str) -> tuple[str, str]:
    """(the page, its Content-Security-Policy with the hash of each inline script and style)."""
    folder = files("parley_gateway") / "static"
    style = (folder / "style.css").read_text()
    html = (folder / name).read_text().replace("<style></style>", f"<style>{style}</style>")
    policy = [
        "default-src 'none'",
        f"script-src {_hashes(html, 'script')}",
        f"style-src {_hashes(html, 'style')}",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return html, "; ".join(policy)


def _hashes(html: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    return (
        " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in found)
        or "'none'"
    )
