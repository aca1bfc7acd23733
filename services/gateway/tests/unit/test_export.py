"""What somebody takes along: one file of all services, whole or not at all."""

import json
from typing import Any

import msgspec
import pytest

from parley_gateway.examples import example
from parley_gateway.routes import leaving
from parley_shared.contracts import export, media
from parley_shared.errors import unavailable

from .harness import World
from .test_problems import problem

PATH = "/api/v1/users/me/export"


def ready(world: World) -> None:
    """Two pages of messages, one of images."""

    def pages(request: export.ExportPage) -> export.Exported:
        number = int(request.cursor or 1)
        return export.Exported(items=[{"type": "message", "n": number}], next="2" if number == 1 else None)

    world.rpc.on(export.EXPORT_ACCOUNT, msgspec.convert(example(export.ExportedAccount), export.ExportedAccount))
    world.rpc.on(export.EXPORT_MESSAGES, pages)
    world.rpc.on(media.EXPORT_IMAGES, export.Exported(items=[{"type": "image", "id": "x"}]))


async def test_an_export_holds_what_every_service_keeps_and_says_how_much_that_is(world: World) -> None:
    ready(world)
    lines: list[dict[str, Any]] = [json.loads(line) for line in (await world.http.get(PATH)).text.splitlines()]
    assert [line["type"] for line in lines] == [
        "header", "profile", "session", "sign_in", "message", "message", "image", "end",
    ]  # fmt: skip
    assert lines[-1]["lines"] == len(lines) - 1


async def test_a_service_that_is_away_at_its_start_is_503_and_one_that_is_away_later_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(world)
    world.rpc.on(media.EXPORT_IMAGES, unavailable("away"))
    problem(await world.http.get(PATH), 503, "unavailable")
    monkeypatch.setattr(leaving, "PAUSE_S", 0)
    asked = []

    def now_and_then(request: export.ExportPage) -> export.Exported:
        asked.append(request.cursor)
        if request.cursor == "2" and asked.count("2") < 3:
            raise unavailable("away")
        return export.Exported(items=[{"type": "image"}], next="2" if request.cursor is None else None)

    world.rpc.on(media.EXPORT_IMAGES, now_and_then)
    lines = (await world.http.get(PATH)).text.splitlines()
    assert asked == [None, "2", "2", "2"]
    assert json.loads(lines[-1]) == {"type": "end", "lines": len(lines) - 1}
