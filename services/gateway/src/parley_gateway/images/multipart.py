"""The one file of a multipart/form-data body (RFC 7578), as it comes."""

from collections.abc import AsyncGenerator, AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from parley_shared.errors import Code, Refused, invalid

FIELD = b"file"
_MEDIA_TYPE = b"multipart/form-data"
_DISPOSITION = b"content-disposition"


def boundary_of(content_type: str | None) -> bytes:
    """What parts the body. Raises Refused: UNSUPPORTED_MEDIA_TYPE."""
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    # RFC 2046, 5.1.1: 70 characters at most.
    if media_type != _MEDIA_TYPE or not 0 < len(boundary) <= 70:
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be multipart/form-data, with its boundary.")
    return boundary


class FilePart:
    """A parser without I/O: put the body in piece by piece, and the bytes of its field `file` come out. Other fields are passed over.

    begun: the field is there, though perhaps nothing of it yet.
    """

    def __init__(self, boundary: bytes) -> None:
        self.begun = False
        self._inside = False
        self._complete = False
        self._header = bytearray()
        self._value = bytearray()
        self._name: bytes | None = None
        self._found: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_begin": self._on_header_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytes) -> bytes:
        """What of it belongs to the file. Raises Refused: INVALID."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise invalid(
                file="the body is not multipart/form-data with the boundary that Content-Type names"
            ) from None
        found = b"".join(self._found)
        self._found.clear()
        return found

    def finish(self) -> None:
        """The body has ended. Raises Refused: INVALID if it is not complete, or holds no file."""
        if not self._complete:
            raise invalid(file="the body ended before its closing boundary")
        if not self.begun:
            raise invalid(file="missing")

    def _on_part_begin(self) -> None:
        self._name = None

    def _on_header_begin(self) -> None:
        self._header.clear()
        self._value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if bytes(self._header).lower() == _DISPOSITION:
            self._name = parse_options_header(self._value.decode("latin-1"))[1].get(b"name")

    def _on_headers_finished(self) -> None:
        if self._name != FIELD:
            return
        if self.begun:
            raise invalid(file="there are two of them")
        self.begun = self._inside = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._found.append(data[start:end])

    def _on_part_end(self) -> None:
        self._inside = False

    def _on_end(self) -> None:
        self._complete = True


async def file_of(body: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes, None]:
    """The file, in the pieces in which it comes; the first one, perhaps empty, as soon as it is known that there is one.

    Raises Refused: INVALID.
    """
    part = FilePart(boundary)
    told = False
    async for data in body:
        found = part.feed(data)
        if found or part.begun > told:
            told = True
            yield found
    part.finish()
