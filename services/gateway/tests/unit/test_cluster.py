"""Who is there is told to admins, whoever it is that runs."""

from msgspec import structs

from parley_shared.contracts.base import Readiness
from parley_shared.contracts.cluster import Replica

from .harness import World
from .test_problems import problem

PATH = "/api/v1/admin/cluster"


async def test_an_admin_sees_every_process_and_what_each_of_them_misses(world: World) -> None:
    world.rpc.replicas = [Replica(service="auth", instance=f"auth-{number}", version="0.1.0") for number in (1, 2, 3)]
    said = Readiness(service="auth", version="0.1.0", instance="auth-1", ready=True, reasons=[])
    world.rpc.said = [said, structs.replace(said, instance="auth-2", ready=False, reasons=["database: away"])]
    async with world.client(token=world.issuer.token(role="admin")) as office:
        answer = await office.get(PATH)
    assert answer.status_code == 200
    assert [(item["instance"], item.get("ready"), item["reasons"]) for item in answer.json()["replicas"]] == [
        ("auth-1", True, []),
        ("auth-2", False, ["database: away"]),
        ("auth-3", None, []),
    ]
    assert answer.json()["services"]["messages"]["ready"] is False


async def test_nobody_else_does(world: World) -> None:
    problem(await world.http.get(PATH), 403, "forbidden")
    problem(await world.guest.get(PATH), 401, "unauthenticated")
