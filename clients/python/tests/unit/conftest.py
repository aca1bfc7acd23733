import pytest

from parley_client import outbox, socket


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of hundredths of a second, where what follows a pause is to be seen, and not the pause."""
    monkeypatch.setattr(socket, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(socket, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(outbox, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE_S", 0.002)
