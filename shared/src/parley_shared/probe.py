"""`parley-probe PORT`: whether the process that listens there is ready, for a container's health check.

The standard library alone, since it runs every few seconds: nothing of a service is imported. The exit code is 0, or 1 and what
is missing on standard output, where `docker inspect` shows it.
"""

import http.client
import sys


def main() -> None:
    """Ask /readyz of the internal port."""
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.stderr.write("usage: parley-probe PORT\n")
        raise SystemExit(64)
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        sys.stdout.write(answer.read(4096).decode(errors="replace") + "\n")
        raise SystemExit(0 if answer.status == 200 else 1)
    except OSError as error:
        sys.stdout.write(f"nothing answers: {error}\n")
        raise SystemExit(1) from None
    finally:
        connection.close()
