"""Which close codes bring the client back, which end it, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_client import Stopped
from parley_client.socket import FIRST_PAUSE_S, LONGEST_PAUSE_S, jittered, means_stop

from .fake_server import ROOM, Peer, serving, until


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 3000, 3499, 4001, 4008, 4009, 4014, 4029, 4499])
def test_these_mean_come_back(code: int) -> None:
    assert not means_stop(code)


@pytest.mark.parametrize("code", [1007, 1009, 3500, 3999, 4500, 4501, 4503, 4504, 4512, 4999])
def test_these_mean_stop(code: int) -> None:
    assert means_stop(code)


@given(st.integers(min_value=1000, max_value=4999))
def test_every_code_of_the_protocols_ranges_means_one_thing(code: int) -> None:
    if code >= 3000:
        assert means_stop(code) == (code % 1000 >= 500)


@given(st.floats(min_value=FIRST_PAUSE_S, max_value=LONGEST_PAUSE_S))
def test_the_jitter_is_full_and_bounded(pause: float) -> None:
    wait, following = jittered(pause)
    assert 0 <= wait <= pause <= following <= LONGEST_PAUSE_S
    assert following in (2 * pause, LONGEST_PAUSE_S)


def test_the_jitter_fills_its_whole_window() -> None:
    waits = [jittered(1.0)[0] for _ in range(2000)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95
    assert 0.45 < sum(waits) / len(waits) < 0.55


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [1001, 1011, 1012, 4001, 4008, 4014, 4029])
async def test_the_client_comes_back_and_says_how_it_went(code: int) -> None:
    async def closes(peer: Peer) -> None:
        await peer.open()
        await peer.close(code, "a reason")

    async def works(peer: Peer) -> None:
        await peer.open()

    async with serving(closes, works) as server, server.client() as client:
        await client.connect()
        await until(lambda: len(server.auths) == 2)
        assert server.auths[1]["last_close"] == {"code": code, "reason": "a reason"}
        assert server.auths[1]["resume"]["epoch"] == server.epoch
        # 4014 says that the token is of no more use.
        assert server.auths[1]["token"] == ("token 1" if code == 4014 else "token 0")
        await until(lambda: client.state == "live")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [1009, 4500, 4501, 4503, 4512])
async def test_the_client_stops_and_everybody_who_waits_hears_of_it(code: int) -> None:
    async def closes(peer: Peer) -> None:
        await peer.open()
        await peer.heard()
        await peer.close(code, "go away")

    async with serving(closes) as server, server.client() as client:
        await client.connect()
        for use in (client.send(ROOM, "x"), anext(client.events()), client.send(ROOM, "later"), client.connect()):
            with pytest.raises(Stopped) as stopped:
                await use
            assert (stopped.value.code, stopped.value.reason) == (code, "go away")
        assert client.state == "stopped"
        assert len(server.auths) == 1
