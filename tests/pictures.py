"""Pictures to upload, and what lies in the bucket of a running suite."""

import io
import random

import boto3
from botocore.config import Config
from PIL import Image

from tests.conftest import Suite


def png(width: int = 40, height: int = 30, seed: int = 0) -> bytes:
    """Noise, which no format makes small; another seed is another picture."""
    noise = random.Random(seed).randbytes(3 * width * height)
    return saved(Image.frombytes("RGB", (width, height), noise), "PNG")


def jpeg_of_a_phone(width: int = 400, height: int = 200) -> bytes:
    """Taken upside down, at a place that is nobody's business. The left half of what one should see is red, the right one blue."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (0, 0, width // 2, height))
    exif = Image.Exif()
    exif[0x0112] = 3  # Orientation: turned by 180 degrees
    exif[0x010F] = "Camera of a canary"
    exif.get_ifd(0x8825)[1] = "N"  # GPSLatitudeRef
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def gif(frames: int = 3) -> bytes:
    # Frames that are alike would be one.
    images = [Image.new("RGB", (20, 20), (200, 40 * number, 0)) for number in range(frames)]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=100, loop=0)
    return buffer.getvalue()


def saved(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


class Bucket:
    """Asked of S3 itself, as nobody but an operator can."""

    def __init__(self, suite: Suite) -> None:
        self._s3 = boto3.client(
            "s3",
            endpoint_url=suite.run_json()["urls"]["s3"],
            aws_access_key_id="parley",
            aws_secret_access_key=(suite.home / "secrets" / "s3").read_text().strip(),
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def names(self) -> set[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket="parley")
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def of(self, image_id: str) -> set[str]:
        """Names of what lies there of one image or upload."""
        return {name for name in self.names() if image_id in name}

    def damage(self, name: str) -> None:
        """One bit of it."""
        data = bytearray(self.take_away(name))
        data[len(data) // 2] ^= 1
        self.put_back(name, bytes(data))

    def take_away(self, name: str) -> bytes:
        data = bytes(self._s3.get_object(Bucket="parley", Key=name)["Body"].read())
        self._s3.delete_object(Bucket="parley", Key=name)
        return data

    def put_back(self, name: str, data: bytes) -> None:
        self._s3.put_object(Bucket="parley", Key=name, Body=data)
