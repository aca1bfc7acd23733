"""A gateway's process with stand-ins behind the contracts, whose S3 is at the address that it is given. It ends with its standard input.

python -m unit.bare_gateway http://127.0.0.1:9000        (in the folder `tests`)
"""

import asyncio
import sys

import msgspec
import uvloop

from parley_gateway.examples import example
from parley_shared.contracts import media
from parley_shared.contracts.base import Empty
from parley_shared.contracts.images import Image

from .fake_s3 import FakeS3
from .live_harness import Gateway


async def main(s3_url: str) -> None:
    gateway = await Gateway().start()
    s3 = FakeS3()
    s3.url = s3_url
    gateway.rpc.on(media.BEGIN_UPLOAD, lambda request: s3.begun(request.capacity))
    gateway.rpc.on(media.FINISH_UPLOAD, msgspec.convert(example(Image), Image))
    gateway.rpc.on(media.ABORT_UPLOAD, Empty())
    sys.stdout.write(f"{gateway.port} {gateway.token}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await gateway.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
