"""Verb → use case; the only module that knows both."""

from dataclasses import dataclass

from parley_media.usecases.bucket import Bucket
from parley_media.usecases.claims import ImageClaims
from parley_media.usecases.erasure import Erasure
from parley_media.usecases.export import Export
from parley_media.usecases.uploads import Uploads
from parley_media.usecases.verifying import Verifying
from parley_media.usecases.viewing import Viewing
from parley_media.usecases.wrapping import Wrapping
from parley_shared.contracts import media as contract
from parley_shared.contracts.erasure import ERASE_MEDIA
from parley_shared.contracts.verifying import CHECK_IMAGES
from parley_shared.messaging.rpc import RpcServer


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything that media does."""

    uploads: Uploads
    viewing: Viewing
    claims: ImageClaims
    bucket: Bucket
    wrapping: Wrapping
    erasure: Erasure
    export: Export
    verifying: Verifying


def serve(server: RpcServer, do: UseCases) -> None:
    """Register every verb but READY, which the process itself answers."""
    server.serve(contract.BEGIN_UPLOAD, do.uploads.begin)
    server.serve(contract.FINISH_UPLOAD, do.uploads.finish)
    server.serve(contract.ABORT_UPLOAD, do.uploads.abort)
    server.serve(contract.OPEN_IMAGE, do.viewing.open)
    server.serve(contract.CLAIM_IMAGES, do.claims.claim)
    server.serve(contract.RELEASE_IMAGES, do.claims.release)
    server.serve(contract.CHECK_STORE, do.bucket.check)
    server.serve(contract.IMAGE_KEYS, do.wrapping.count)
    server.serve(contract.REWRAP_IMAGES, do.wrapping.rewrap)
    server.serve(contract.EXPORT_IMAGES, do.export.page)
    server.serve(CHECK_IMAGES, do.verifying.check)
    server.serve(ERASE_MEDIA, do.erasure.erase)
