"""The bucket of one installation, copied into a folder and back. What lies in it is sealed, object by object."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from parley_local.home import Unusable
from parley_local.secrets import Secrets

NAME: Final = "parley"
OWNED: Final = ("images/",)
"""What is kept: an upload that nobody has looked at yet is no image."""


class Bucket:
    """Raises Unusable while S3 is away or refuses."""

    def __init__(self, url: str, access_key: str, secret_key: str, name: str) -> None:
        self._name = name
        self._client: Any = boto3.client(  # Any: botocore makes its clients at run time
            "s3",
            endpoint_url=url,
            region_name=os.environ.get("PARLEY_MEDIA_S3_REGION", "us-east-1"),
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=30,
                # Servers that only resemble S3 do not know the checksums that newer clients send by themselves.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @classmethod
    def of(cls, url: str, secrets: Path) -> "Bucket":
        """With the keys of `make run`, or those that media is given."""
        return cls(
            url,
            os.environ.get("PARLEY_MEDIA_S3_ACCESS_KEY", "parley"),
            os.environ.get("PARLEY_MEDIA_S3_SECRET_KEY") or Secrets(secrets).get("s3"),
            os.environ.get("PARLEY_MEDIA_S3_BUCKET", NAME),
        )

    def answers(self) -> bool:
        """Whether the server is there, and takes our keys."""
        try:
            self._client.list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def copy_into(self, folder: Path) -> int:
        """Copy what the folder has not, and note of all the rest that it is still there. How many were copied."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        copied = 0
        try:
            for prefix in OWNED:
                for name in self._names(prefix):
                    target = folder / name
                    if target.exists():
                        target.touch()
                    else:
                        copied += self._fetch(name, target)
        except (BotoCoreError, ClientError) as error:
            raise Unusable(f"S3 does not hand out its objects: {error}") from None
        return copied

    def put_from(self, folder: Path) -> int:
        """Put everything of the folder into the bucket, which is made if it is not there. How many objects."""
        try:
            self._make()
            count = 0
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = str(path.relative_to(folder))
                self._client.put_object(Bucket=self._name, Key=name, Body=path.read_bytes())
                count += 1
        except (BotoCoreError, ClientError) as error:
            raise Unusable(f"S3 does not take the objects: {error}") from None
        return count

    @staticmethod
    def forget(folder: Path, before: datetime) -> int:
        """Remove from the folder what the bucket had no more at that time. How many."""
        count = 0
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_mtime < before.timestamp():
                path.unlink()
                count += 1
        return count

    def _names(self, prefix: str) -> list[str]:
        names: list[str] = []
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
                names += [item["Key"] for item in page.get("Contents", ())]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":  # nobody has uploaded anything yet
                raise
        return names

    def _fetch(self, name: str, target: Path) -> int:
        try:
            body = self._client.get_object(Bucket=self._name, Key=name)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":  # erased meanwhile
                return 0
            raise
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(body)
        part.replace(target)
        return 1

    def _make(self) -> None:
        try:
            self._client.create_bucket(Bucket=self._name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
