"""What is measured becomes replicas, thresholds and pools, by the sums of the documentation."""

import json
from pathlib import Path

import httpx2
import msgspec
import pytest

from parley_client.errors import ParleyError
from parley_client.meters import Processes, Prometheus
from parley_client.sizing import LEAST_POOL, SERVICES, SOCKETS, Costs, Target, component, connections, costs_from, plan

COSTS = Costs({"messages": 147.0, "gateway": 60.0, "search": 200.0, "auth": 0.0, "presence": 0.0, "media": 0.0}, 10.0)


def used(**seconds: float) -> dict[str, float]:
    return {service: seconds.get(service, 0.0) for service in SERVICES}


def test_what_a_message_and_a_delivery_cost_comes_out_of_two_loads() -> None:
    """60 µs a message and 10 a delivery: 100 messages heard by 2, and 100 heard by 10."""
    few = (100, 200, used(gateway=100 * 60e-6 + 200 * 10e-6, messages=0.02))
    many = (100, 1_000, used(gateway=100 * 60e-6 + 1_000 * 10e-6, messages=0.01))
    found = costs_from([few, many])
    assert found.delivery == pytest.approx(10)
    assert found.message["gateway"] == pytest.approx(60)
    assert found.message["messages"] == pytest.approx(150)


def test_a_measurement_too_coarse_to_see_anything_does_not_promise_that_it_is_free() -> None:
    nothing = (100, 200, used())
    found = costs_from([nothing, (100, 1_000, used())])
    assert found.delivery >= 1
    assert found.message["messages"] >= 20


def test_fifty_thousand_people_need_what_the_documentation_says() -> None:
    made = plan(COSTS, Target(50_000, 167, 30, 1_000))
    assert made.sizes["gateway"].least == 11, "ten of five thousand sockets, and one that may be away"
    assert made.sizes["presence"].least == 4
    assert made.sizes["messages"].least == 2
    assert made.sockets == SOCKETS
    assert made.notes == ()


def test_a_few_people_get_two_of_each() -> None:
    made = plan(COSTS, Target(100, 1, 5, 400))
    assert {name: size.least for name, size in made.sizes.items()} == dict.fromkeys(SERVICES, 2)
    assert made.sockets >= 100
    assert made.sizes["gateway"].pool is None


def test_pools_shrink_until_they_fit_and_what_cannot_fit_is_refused() -> None:
    target = Target(200_000, 2_000, 30, 900)
    made = plan(COSTS, target)
    assert made.connections < target.max_connections
    assert made.sizes["messages"].pool == 10 or made.sizes["messages"].pool is not None
    tight = plan(COSTS, Target(50_000, 167, 30, 180))
    assert tight.connections < 180
    assert LEAST_POOL <= (tight.sizes["messages"].pool or 0) < 10
    with pytest.raises(ValueError, match="raise max_connections"):
        plan(COSTS, Target(1_000_000, 3_333, 30, 200))


def test_a_release_has_its_connections_too() -> None:
    assert connections({"auth": 2}, {"auth": 5}) == 15
    assert connections({"messages": 2}, {"messages": 10}) == 33
    assert connections({"search": 2}, {"search": 8}) == 33


def test_where_one_postgresql_ends_it_is_said() -> None:
    made = plan(COSTS, Target(1_000_000, 3_333, 30, 5_000))
    assert "Past one PostgreSQL" in made.notes[0]


def test_the_component_names_every_service_once() -> None:
    said = component(plan(COSTS, Target(1_000, 5, 10, 400)), "for a thousand\npeople")
    assert said.startswith(
        "# for a thousand\n# people\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    )
    for service in SERVICES:
        assert said.count(f"kind: Deployment, name: {service}}}") == 1
    assert "PARLEY_MESSAGES_POOL_SIZE=10" in said
    assert "GATEWAY_POOL_SIZE" not in said


async def test_processor_time_is_read_of_the_processes_of_this_machine(tmp_path: Path) -> None:
    with pytest.raises(ParleyError, match="--prometheus"):
        await Processes(tmp_path).read()
    (tmp_path / "run.json").write_text(json.dumps({"gateway": [{"pid": 1}, {"pid": None}], "messages": [{"pid": 1}]}))
    found = await Processes(tmp_path).read()
    assert found["gateway"] == found["messages"] > 0
    assert found["auth"] == 0


async def test_prometheus_must_know_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(SERVICES)

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert 'namespace="chat"' in request.url.params["query"]
        samples = [{"metric": {"service": name}, "value": [0, "1.5"]} for name in names]
        return httpx2.Response(200, content=msgspec.json.encode({"status": "success", "data": {"result": samples}}))

    real = httpx2.AsyncClient
    monkeypatch.setattr(httpx2, "AsyncClient", lambda **_: real(transport=httpx2.MockTransport(answer)))
    meter = Prometheus("http://prometheus.example", 'namespace="chat"')
    assert await meter.read() == dict.fromkeys(SERVICES, 1.5)
    names.remove("search")
    with pytest.raises(ParleyError, match="no figures of search"):
        await meter.read()
