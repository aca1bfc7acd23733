"""What a service loads before it can say that it is ready."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("service", ["gateway", "messages", "search"])
def test_what_does_without_sqlalchemy_does_not_load_it(service: str) -> None:
    """Nor Alembic: together they were a third of a start, and 20 MiB of each process."""
    ask = f"import sys, parley_{service}.app; print({{'sqlalchemy', 'alembic'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
