"""Animations, as the formats that have them agree on them.

Each frame is taken out of its file as an image file of its own, decoded and encoded like any still image, and put to its old place in
a new animation. So at no time more than one frame lies decoded in memory, and frames stay as small as their author made them.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from PIL import Image

from parley_media.images.kinds import TooLarge, Unreadable
from parley_media.images.pixels import turned
from parley_shared.limits import ANIMATION_FRAMES, ANIMATION_PIXELS

KEEP: Literal[0] = 0
CLEAR: Literal[1] = 1
RESTORE: Literal[2] = 2
"""What becomes of a frame's place before the next one: it stays, becomes transparent, or what was there before comes back."""
Dispose = Literal[0, 1, 2]


class Frame(NamedTuple):
    """left, top, width, height: its place on the canvas. ms: how long it is shown. over: blended with what is there, instead of
    replacing it. file: the frame as an image file of its own."""

    left: int
    top: int
    width: int
    height: int
    ms: int
    dispose: Dispose
    over: bool
    file: bytes

    def fills(self, canvas: tuple[int, int]) -> bool:
        return (self.left, self.top, self.width, self.height) == (0, 0, *canvas)


class Animation(NamedTuple):
    """canvas: width and height. plays: 0 for ever. alpha: something of it may be transparent. profile: its colours (ICC)."""

    canvas: tuple[int, int]
    plays: int
    alpha: bool
    frames: list[Frame]
    orientation: int
    profile: bytes | None


def demand_frames(count: int, canvas: tuple[int, int]) -> None:
    """Before any of them is decoded. Raises TooLarge."""
    if count > ANIMATION_FRAMES:
        raise TooLarge(f"The animation has more than {ANIMATION_FRAMES} frames.")
    if count * canvas[0] * canvas[1] > ANIMATION_PIXELS:
        raise TooLarge(
            f"The animation has more than {ANIMATION_PIXELS / 1_000_000:g} million pixels in all frames together."
        )


def demand_place(left: int, top: int, width: int, height: int, canvas: tuple[int, int]) -> None:
    """Raises Unreadable for a frame that is empty or sticks out of the canvas."""
    if width < 1 or height < 1 or left + width > canvas[0] or top + height > canvas[1]:
        raise Unreadable("a frame does not lie on the canvas")


class Canvas:
    """What is seen of an animation, frame by frame."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._shown = Image.new("RGBA", size)

    def show(self, frame: Frame, image: Image.Image) -> Image.Image:
        """image: the frame's pixels. Returns the canvas as it is while the frame is shown."""
        image = image.convert("RGBA")
        seen = self._shown.copy()
        if frame.over:
            seen.alpha_composite(image, (frame.left, frame.top))
        else:
            seen.paste(image, (frame.left, frame.top))
        if frame.dispose == KEEP:
            self._shown = seen
        elif frame.dispose == CLEAR:
            self._shown = seen.copy()
            right, bottom = frame.left + frame.width, frame.top + frame.height
            self._shown.paste((0, 0, 0, 0), (frame.left, frame.top, right, bottom))
        return seen


class Played:
    """Frames on their way from a reader to a writer. first: the first one on its canvas, once it has come by.

    The first one leaves with the size of the canvas. orientation: an animation that was held otherwise leaves as whole canvases, since
    formats do not let every place be turned.
    """

    def __init__(
        self, frames: Iterable[tuple[Frame, Image.Image]], canvas: tuple[int, int], orientation: int, *, alpha: bool
    ) -> None:
        self._frames = frames
        self._canvas = canvas
        self._orientation = orientation
        self._mode = "RGBA" if alpha else "RGB"
        self.first: Image.Image | None = None

    def __iter__(self) -> Iterator[tuple[Frame, Image.Image]]:
        canvas = Canvas(self._canvas)
        for frame, image in self._frames:
            if self.first is None or self._orientation != 1:
                image = turned(canvas.show(frame, image), self._orientation)
                # What is disposed of is the frame's own place. The first one has nothing around it that could stay or come back.
                frame = frame._replace(left=0, top=0, width=image.width, height=image.height, over=False)
                if self._orientation != 1:
                    frame = frame._replace(dispose=KEEP)
                self.first = self.first or image
            yield frame, image if image.mode == self._mode else image.convert(self._mode)
