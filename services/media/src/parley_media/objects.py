"""The bucket, through boto3 in a few threads. Whatever happens to S3, an answer comes within five seconds."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from opentelemetry.trace import SpanKind
from urllib3.exceptions import HTTPError

from parley_media.settings import Settings
from parley_shared.errors import Refused, unavailable
from parley_shared.metrics import s3_time
from parley_shared.telemetry import inner

log = structlog.get_logger(__name__)

ANSWER_S: Final = 4.5
"""A call is given up then; its thread ends by itself when its socket does."""
CONNECT_S: Final = 2
READ_S: Final = 3
THREADS: Final = 8
_STEP: Final = 1_048_576
_DELETED_AT_ONCE: Final = 1_000
_Answer = TypeVar("_Answer")


class Listed(NamedTuple):
    """modified: by the clock of S3."""

    name: str
    modified: datetime


class _LostInTransitError(Exception):
    """An object came otherwise than it was announced."""


class Objects:
    """All of it raises Refused: UNAVAILABLE while S3 is away, refuses, or answers too slowly."""

    def __init__(self, settings: Settings) -> None:
        self.configured = bool(settings.s3_url)
        self._bucket = settings.s3_bucket
        self._region = settings.s3_region
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._checking: asyncio.Task[None] | None = None
        self._client: Any = None  # Any: botocore makes its clients at run time
        if self.configured:
            self._client = boto3.client(
                "s3",
                endpoint_url=settings.s3_url,
                region_name=settings.s3_region,
                aws_access_key_id=settings.s3_access_key or None,
                aws_secret_access_key=settings.s3_secret_key.get_secret_value() or None,
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"},
                    connect_timeout=CONNECT_S,
                    read_timeout=READ_S,
                    retries={"mode": "standard", "total_max_attempts": 2},
                    max_pool_connections=THREADS,
                    # Servers that only resemble S3 do not know the checksums that newer clients send by themselves.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )

    def close(self) -> None:
        """Whoever still waits for S3 is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> str | None:
        """Readiness; makes the bucket where there is none. Several who ask at once wait for one answer."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._ask("head", self._demand_bucket))
        try:
            await asyncio.shield(self._checking)
        except Refused as refusal:
            return refusal.detail
        return None

    async def put_url(self, name: str, length: int, seconds: int) -> tuple[str, dict[str, str]]:
        """(address, headers): so many bytes can be put there, once, with exactly these headers."""
        params = {"Bucket": self._bucket, "Key": name, "ContentLength": length, "IfNoneMatch": "*"}
        url = await self._ask("sign", lambda: self._client.generate_presigned_url("put_object", params, seconds))
        return url, {"Content-Length": str(length), "If-None-Match": "*"}

    async def get_url(self, name: str, seconds: int) -> str:
        params = {"Bucket": self._bucket, "Key": name}
        return str(await self._ask("sign", lambda: self._client.generate_presigned_url("get_object", params, seconds)))

    async def get(self, name: str, length: int) -> bytes | None:
        """An object of so many bytes; None if there is none."""
        return await self._ask("get", lambda: self._read(name, length))

    async def put(self, name: str, data: bytes) -> None:
        await self._ask("put", lambda: self._client.put_object(Bucket=self._bucket, Key=name, Body=data))

    async def delete(self, names: Iterable[str]) -> None:
        """They are gone afterwards, whether they were there or not."""
        left = list(names)
        for start in range(0, len(left), _DELETED_AT_ONCE):
            some = left[start : start + _DELETED_AT_ONCE]
            await self._ask("delete", lambda some=some: self._delete(some))  # type: ignore[misc]  # mypy does not see the default's type

    async def list_after(self, after: str, limit: int) -> tuple[list[Listed], bool]:
        """Objects by name after this one, and whether there are more."""
        return await self._ask("list", lambda: self._list(after, limit))

    # -- in a thread

    def _demand_bucket(self) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            self._make_bucket()

    def _make_bucket(self) -> None:
        # The first region of all is the one that must not be named.
        where = {} if self._region == "us-east-1" else {"LocationConstraint": self._region}
        try:
            self._client.create_bucket(Bucket=self._bucket, **({"CreateBucketConfiguration": where} if where else {}))
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        log.info("bucket.made", bucket=self._bucket)

    def _read(self, name: str, length: int) -> bytes | None:
        until = time.monotonic() + ANSWER_S
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        body, found = answer["Body"], bytearray()
        # One byte too many would say that it is another object.
        while len(found) <= length and (piece := body.read(min(_STEP, length + 1 - len(found)))):
            found += piece
            if time.monotonic() > until:
                raise TimeoutError
        body.close()
        if len(found) != length:
            raise _LostInTransitError(f"{name} has {len(found)} bytes or more instead of {length}")
        return bytes(found)

    def _list(self, after: str, limit: int) -> tuple[list[Listed], bool]:
        answer = self._client.list_objects_v2(Bucket=self._bucket, StartAfter=after, MaxKeys=limit)
        if "IsTruncated" not in answer:
            raise _LostInTransitError("a list that was cut off")
        found = [Listed(item["Key"], item["LastModified"]) for item in answer.get("Contents", [])]
        return found, bool(answer["IsTruncated"])

    def _delete(self, names: list[str]) -> None:
        wanted = [{"Key": name} for name in names]
        answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": wanted})
        # An answer that was cut off names none and looks like success.
        left = set(names) - {item["Key"] for item in answer.get("Deleted", [])}
        if left:
            why = next((item.get("Message", "") for item in answer.get("Errors", [])), "")
            raise _LostInTransitError(f"{len(left)} objects were not deleted: {why}")

    async def _ask(self, operation: str, call: Callable[[], _Answer]) -> _Answer:
        if not self.configured:
            raise unavailable("Images are not set up here: there is no S3 server.", retry_after_ms=60_000)
        try:
            with inner(f"s3 {operation}", SpanKind.CLIENT), s3_time(operation):
                async with asyncio.timeout(ANSWER_S):
                    return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status < 500:
                # Not an outage: keys, rights or the bucket are not as they must be, and somebody has to see to it.
                log.error("s3.refused", operation=error.operation_name, code=code, status=status)
            else:
                log.warning("s3.away", operation=error.operation_name, code=code, status=status)
            raise _away(f"S3 answers {code}.") from None
        except (BotoCoreError, HTTPError, OSError, TimeoutError, _LostInTransitError) as error:
            log.warning("s3.away", error=repr(error))
            raise _away("S3 cannot be reached.") from None


def _away(detail: str) -> Refused:
    return unavailable(f"{detail} Images are away for the moment; try again.")
